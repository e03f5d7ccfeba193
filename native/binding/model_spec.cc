// SPDX-License-Identifier: Apache-2.0
#include "binding/model_spec.h"

#include "binding/arguments.h"

namespace lg {
namespace {

constexpr size_t kMostThreads = 256;
constexpr size_t kMostTensors = 1 << 16;

Status ReadDims(const Napi::Object& spec, ModelConfig* config) {
  Napi::Object dims;
  LG_RETURN_IF_ERROR(ReadObject(Property(spec, "dims"), "dims", &dims));
  const struct {
    const Napi::Object& from;
    const char* name;
    size_t* to;
  } fields[] = {
      {dims, "layers", &config->layers},   {dims, "hiddenSize", &config->hidden},       {dims, "intermediateSize", &config->intermediate},
      {dims, "heads", &config->heads},     {dims, "kvHeads", &config->kv_heads},        {dims, "headDim", &config->head_dim},
      {dims, "vocabSize", &config->vocab}, {dims, "contextLength", &config->context},   {dims, "labels", &config->labels},
      {spec, "group", &config->group},     {spec, "embeddingGroup", &config->embedding_group},
  };
  for (const auto& field : fields) LG_RETURN_IF_ERROR(ReadSize(Property(field.from, field.name), field.name, 1u << 30, field.to));
  const Napi::Value eps = Property(spec, "rmsNormEps");
  if (!eps.IsNumber()) return BadArgument("rmsNormEps to be a number");
  config->rms_norm_eps = eps.As<Napi::Number>().FloatValue();
  return Status::Ok();
}

Status ReadTensor(const Napi::Value& value, TensorEntry* tensor) {
  Napi::Object object;
  Napi::Array shape;
  LG_RETURN_IF_ERROR(ReadObject(value, "a tensor", &object));
  LG_RETURN_IF_ERROR(ReadString(Property(object, "name"), "a tensor's name", &tensor->name));
  LG_RETURN_IF_ERROR(ReadString(Property(object, "dtype"), "a tensor's dtype", &tensor->dtype));
  LG_RETURN_IF_ERROR(ReadArray(Property(object, "shape"), "a tensor's shape", &shape));
  size_t begin, end;
  LG_RETURN_IF_ERROR(ReadSize(Property(object, "begin"), "a tensor's begin", kMostExtent, &begin));
  LG_RETURN_IF_ERROR(ReadSize(Property(object, "end"), "a tensor's end", kMostExtent, &end));
  tensor->begin = begin;
  tensor->end = end;
  if (shape.Length() > 8) return BadArgument("a tensor of at most 8 dimensions");
  for (uint32_t i = 0; i < shape.Length(); ++i) {
    size_t extent;
    LG_RETURN_IF_ERROR(ReadSize(Element(shape, i), "a tensor's extent", kMostExtent, &extent));
    tensor->shape.push_back(extent);
  }
  return Status::Ok();
}

}  // namespace

Status ReadModelSpec(const Napi::Value& value, ModelSpec* spec) {
  Napi::Object object;
  Napi::Array tensors;
  LG_RETURN_IF_ERROR(ReadObject(value, "a model spec", &object));
  LG_RETURN_IF_ERROR(ReadString(Property(object, "path"), "path", &spec->path));
  LG_RETURN_IF_ERROR(ReadDims(object, &spec->config));
  LG_RETURN_IF_ERROR(ReadArray(Property(object, "tensors"), "tensors", &tensors));
  if (tensors.Length() > kMostTensors) return BadArgument("at most " + std::to_string(kMostTensors) + " tensors");
  spec->tensors.resize(tensors.Length());
  for (uint32_t i = 0; i < tensors.Length(); ++i) {
    const Napi::HandleScope scope(value.Env());
    LG_RETURN_IF_ERROR(ReadTensor(Element(tensors, i), &spec->tensors[i]));
  }
  return Status::Ok();
}

Status ReadEngineOptions(const Napi::Value& value, EngineOptions* options) {
  Napi::Object object;
  std::string isa;
  LG_RETURN_IF_ERROR(ReadObject(value, "engine options", &object));
  LG_RETURN_IF_ERROR(ReadString(Property(object, "isa"), "isa", &isa));
  LG_RETURN_IF_ERROR(ReadSize(Property(object, "threads"), "threads", kMostThreads, &options->threads.threads));
  if (options->threads.threads == 0) options->threads = PlanThreads("", UsableCpus());
  return ResolveIsa(isa, HostCpu(), &options->isa);
}

}  // namespace lg
