// SPDX-License-Identifier: Apache-2.0
// Element-wise pieces on whole arrays, the packing functions with the arguments of lib/native/addon.ts, and the choice of
// threads on made-up machines.
#include "lab/pieces.h"

#include "base/f16.h"
#include "kernels/math/scalar.h"
#include "lab/call.h"
#include "lab/throw.h"
#include "packing/panel16.h"
#include "quant/q4.h"
#include "runtime/topology.h"

namespace lg::lab {
namespace {

// Applies Convert to every element of a typed array.
template <typename From, typename To, To (*Convert)(From)>
Napi::Value Map(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != ArrayType<From>::value) {
    return ThrowInvalid(info.Env(), "Expected a typed array of the function's element type");
  }
  const auto from = info[0].As<Napi::TypedArrayOf<From>>();
  auto to = Napi::TypedArrayOf<To>::New(info.Env(), from.ElementLength());
  for (size_t i = 0; i < from.ElementLength(); ++i) to.Data()[i] = Convert(from.Data()[i]);
  return to;
}

float Exp(float x) { return ExpScalar(x); }
float Widen(uint16_t half) { return FloatFromF16(half); }
uint16_t Narrow(float value) { return F16FromFloat(value); }

Napi::Object Arguments(const Napi::CallbackInfo& info) {
  return info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(info.Env());
}

struct Shape {
  size_t n, k, group;
};

Shape ReadShape(Reader& in) {
  Shape shape;
  shape.n = in.Count("n", 1, 1 << 18);
  shape.group = in.Group();
  shape.k = in.Count("k", shape.group, 1 << 16, shape.group);
  return shape;
}

// The functions below run in guarded memory at the end placement, like a kernel.
Napi::Value Quantize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arena arena;
  const Napi::Object object = Arguments(info);
  Reader in(object, Placement::end, &arena);
  const Shape s = ReadShape(in);
  const std::string name = object.Get("dtype").ToString();
  const FloatType type = name == "F32" ? FloatType::f32 : name == "F16" ? FloatType::f16 : FloatType::bf16;
  const size_t value_bytes = s.n * s.k / 2, scale_bytes = s.n * (s.k / s.group) * ScaleBytes(s.group);
  const uint8_t* rows = in.Input<uint8_t>("rows", s.n * s.k * (type == FloatType::f32 ? 4 : 2));
  uint8_t* values = in.Output<uint8_t>(value_bytes);
  uint8_t* scales = in.Output<uint8_t>(scale_bytes);
  if (!in.ok()) return ThrowInvalid(env, in.error());
  const Status status = QuantizeRows({rows, type, s.n, s.k, s.group, values, scales});
  if (!status.ok()) return Throw(env, status.code(), status.message());
  Napi::Object out = Napi::Object::New(env);
  out.Set("values", CopyOut(env, values, value_bytes));
  out.Set("scales", CopyOut(env, scales, scale_bytes));
  return out;
}

Napi::Value Pack(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arena arena;
  Reader in(Arguments(info), Placement::end, &arena);
  const Shape s = ReadShape(in);
  const size_t groups = s.k / s.group, panels = PanelCount(s.n), cells = panels * groups * kPanelRows;
  const uint8_t* values = in.Input<uint8_t>("values", s.n * s.k / 2);
  const uint8_t* row_scales = in.Input<uint8_t>("scales", s.n * groups * ScaleBytes(s.group));
  uint8_t* q4 = in.Output<uint8_t>(panels * PanelBytes(s.k));
  uint8_t* scales = in.Output<uint8_t>(cells * ScaleBytes(s.group));
  int16_t* sums = in.Output<int16_t>(cells);
  if (!in.ok()) return ThrowInvalid(env, in.error());
  PackPanels({values, row_scales, s.n, s.k, s.group, q4, scales, sums});
  Napi::Object out = Napi::Object::New(env);
  out.Set("q4", CopyOut(env, q4, panels * PanelBytes(s.k)));
  out.Set("scales", CopyOut(env, scales, cells * ScaleBytes(s.group)));
  out.Set("sums", CopyOut(env, sums, cells));
  return out;
}

// All values of a packed matrix, [16 * panels][k], read one at a time.
Napi::Value Unpack(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arena arena;
  Reader in(Arguments(info), Placement::end, &arena);
  const Shape s = ReadShape(in);
  const size_t panels = PanelCount(s.n);
  const uint8_t* q4 = in.Input<uint8_t>("q4", panels * PanelBytes(s.k));
  if (!in.ok()) return ThrowInvalid(env, in.error());
  const PanelMatrix matrix = {q4, nullptr, nullptr, panels, s.k, s.group};
  auto values = Napi::Int8Array::New(env, panels * kPanelRows * s.k);
  for (size_t i = 0; i < values.ElementLength(); ++i) values[i] = static_cast<int8_t>(PanelValue(matrix, i / s.k, i % s.k));
  return values;
}

// topology(root, cpus): what runtime/topology.h says of a machine whose /sys and /proc lie below `root`.
Napi::Value Topology(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsArray()) return ThrowInvalid(env, "Expected a folder and an array of CPUs");
  const std::string root = info[0].As<Napi::String>();
  const Napi::Array given = info[1].As<Napi::Array>();
  std::vector<int> cpus;
  for (uint32_t i = 0; i < given.Length(); ++i) cpus.push_back(given.Get(i).ToNumber().Int32Value());
  const auto list = [&](const std::vector<int>& numbers) {
    Napi::Array array = Napi::Array::New(env);
    for (int cpu : numbers) array.Set(array.Length(), cpu);
    return array;
  };
  const ThreadPlan plan = PlanThreads(root, cpus);
  Napi::Object out = Napi::Object::New(env);
  out.Set("bigCpus", list(BigCpus(root, cpus)));
  out.Set("quota", static_cast<double>(CgroupCpus(root)));
  out.Set("threads", static_cast<double>(plan.threads));
  out.Set("pinnedCpus", list(plan.cpus));
  return out;
}

}  // namespace

void AddPieces(Napi::Env env, Napi::Object exports) {
  exports.Set("exp", Napi::Function::New(env, Map<float, float, Exp>));
  exports.Set("f32FromF16", Napi::Function::New(env, Map<uint16_t, float, Widen>));
  exports.Set("f16FromF32", Napi::Function::New(env, Map<float, uint16_t, Narrow>));
  exports.Set("quantizeRows", Napi::Function::New(env, Quantize));
  exports.Set("packPanels", Napi::Function::New(env, Pack));
  exports.Set("unpackPanels", Napi::Function::New(env, Unpack));
  exports.Set("topology", Napi::Function::New(env, Topology));
}

}  // namespace lg::lab
