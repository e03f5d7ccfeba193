// SPDX-License-Identifier: Apache-2.0
// Arguments are read and copied on the JavaScript thread; the worker sees plain C++ only and holds its own share of the
// model and of each sequence, so that neither dispose() nor garbage collection can take them away from it.
#include "binding/model.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "binding/addon_data.h"
#include "binding/model_spec.h"
#include "binding/promise_worker.h"
#include "binding/sequence.h"

namespace lg {
namespace {

// Ten times what it takes with a full-size model in the page cache.
constexpr std::chrono::milliseconds kPopulateTime{100};

Status ThisModel(const Napi::CallbackInfo& info, std::shared_ptr<ModelState>* state) {
  std::shared_ptr<ModelHandle> handle;
  LG_RETURN_IF_ERROR(UnwrapHandle(info.This(), &handle));
  if (handle->state == nullptr) return Status::Error(kDisposed, "Expected a model in use, found one that is disposed");
  *state = handle->state;
  return Status::Ok();
}

// One pass: the copied arguments, what it uses and what it produces.
struct Pass {
  std::shared_ptr<ModelState> model;
  std::vector<std::shared_ptr<SequenceHandle>> sequences;
  std::vector<std::vector<uint32_t>> tokens;
  std::vector<BatchItem> batch;
  std::vector<float> logits;

  void Begin() {
    model->busy = true;
    model->cancelled = false;
    for (const auto& sequence : sequences) sequence->busy = true;
  }
  Status Run() { return model->decoder->Forward(batch, model->cancelled, logits.data()); }
  void End() {
    for (const auto& sequence : sequences) sequence->EndPass();
    model->busy = false;
  }
};

// The properties of a batch item, not looked at yet.
struct ItemValues {
  Napi::Value sequence, tokens, logits;
};

Status FetchItem(const Napi::Value& value, std::vector<ItemValues>* values) {
  Napi::Object object;
  LG_RETURN_IF_ERROR(ReadObject(value, "a batch item", &object));
  values->push_back({Property(object, "sequence"), Property(object, "tokens"), Property(object, "logits")});
  return Status::Ok();
}

Status ReadItem(const ItemValues& item, Pass* pass) {
  Napi::Uint32Array tokens;
  std::shared_ptr<SequenceHandle> sequence;
  size_t logits;
  LG_RETURN_IF_ERROR(UnwrapHandle(item.sequence, &sequence));
  LG_RETURN_IF_ERROR(sequence->Usable());
  if (sequence->model != pass->model) return BadArgument("a sequence of this model");
  for (const auto& other : pass->sequences) {
    if (other == sequence) return BadArgument("each sequence once in a batch");
  }
  LG_RETURN_IF_ERROR(ReadTypedArray(item.tokens, "tokens", napi_uint32_array, &tokens));
  if (tokens.ElementLength() > kMaxBatchTokens) return BadArgument("at most " + std::to_string(kMaxBatchTokens) + " tokens in a pass");
  LG_RETURN_IF_ERROR(ReadSize(item.logits, "logits", tokens.ElementLength(), &logits));
  pass->tokens.emplace_back(tokens.Data(), tokens.Data() + tokens.ElementLength());
  pass->batch.push_back({&sequence->kv, pass->tokens.back().data(), pass->tokens.back().size(), logits});
  pass->sequences.push_back(std::move(sequence));
  return Status::Ok();
}

// Every property is fetched before anything is checked: a getter may start a pass, dispose a sequence or shrink an array,
// and nothing that was checked may change before the pass begins.
Status ReadPass(const Napi::CallbackInfo& info, Pass* pass) {
  Napi::Array items;
  std::vector<ItemValues> values;
  LG_RETURN_IF_ERROR(ReadArray(info[0], "batch", &items));
  if (items.Length() > kMaxBatchTokens) return BadArgument("at most " + std::to_string(kMaxBatchTokens) + " items in a pass");
  for (uint32_t i = 0, count = items.Length(); i < count; ++i) LG_RETURN_IF_ERROR(FetchItem(Element(items, i), &values));

  LG_RETURN_IF_ERROR(ThisModel(info, &pass->model));
  if (pass->model->busy) return Status::Error(kBusy, "Expected an idle model, found one that runs a forward pass");
  size_t rows = 0;
  for (const ItemValues& item : values) {
    LG_RETURN_IF_ERROR(ReadItem(item, pass));
    rows += pass->batch.back().logits;
  }
  pass->logits.resize(rows * pass->model->decoder->config().labels);
  return Status::Ok();
}

Napi::Value Rejected(Napi::Env env, const Status& status) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(ToError(env, status).Value());
  return deferred.Promise();
}

Napi::Value Forward(const Napi::CallbackInfo& info) {
  auto pass = std::make_shared<Pass>();
  const Status status = ReadPass(info, pass.get());
  if (!status.ok()) return Rejected(info.Env(), status);
  pass->Begin();
  return PromiseWorker::Start(
      info.Env(), [pass] { return pass->Run(); }, [pass] { pass->End(); },
      [pass](Napi::Env env) -> Napi::Value {
        Napi::Float32Array result = Napi::Float32Array::New(env, pass->logits.size());
        if (!env.IsExceptionPending() && !pass->logits.empty()) std::memcpy(result.Data(), pass->logits.data(), pass->logits.size() * sizeof(float));
        return result;
      });
}

Napi::Value Populate(const Napi::CallbackInfo& info) {
  std::shared_ptr<ModelState> model;
  const Status status = ThisModel(info, &model);
  if (!status.ok()) return Rejected(info.Env(), status);
  return PromiseWorker::Start(
      info.Env(),
      [model] {
        PopulateWeights(model->decoder->weights(), std::chrono::steady_clock::now() + kPopulateTime);
        return Status::Ok();
      },
      [] {}, [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value CreateSequence(const Napi::CallbackInfo& info) {
  std::shared_ptr<ModelState> model;
  const Status status = ThisModel(info, &model);
  if (!status.ok()) return Throw(info.Env(), status);
  return WrapHandle(DataOf(info.Env()).sequence_class, std::make_shared<SequenceHandle>(std::move(model)));
}

Status MapArguments(const Napi::CallbackInfo& info, std::shared_ptr<SequenceHandle>* sequence) {
  std::shared_ptr<ModelState> model;
  std::string path;
  size_t offset, length;
  LG_RETURN_IF_ERROR(ThisModel(info, &model));
  LG_RETURN_IF_ERROR(ReadString(info[0], "path", &path));
  LG_RETURN_IF_ERROR(ReadSize(info[1], "offset", kMostExtent, &offset));
  if (offset % kAlignment != 0) return BadArgument("offset to be a multiple of " + std::to_string(kAlignment));
  LG_RETURN_IF_ERROR(ReadSize(info[2], "length", model->decoder->config().context, &length));
  if (length == 0) return BadArgument("a length of at least 1");
  *sequence = std::make_shared<SequenceHandle>(std::move(model));
  return (*sequence)->kv.Map(path, offset, length);
}

Napi::Value MapSequence(const Napi::CallbackInfo& info) {
  std::shared_ptr<SequenceHandle> sequence;
  const Status status = MapArguments(info, &sequence);
  if (!status.ok()) return Throw(info.Env(), status);
  return WrapHandle(DataOf(info.Env()).sequence_class, std::move(sequence));
}

// After dispose() it does nothing, so that a signal that comes late does no harm.
Napi::Value Cancel(const Napi::CallbackInfo& info) {
  std::shared_ptr<ModelHandle> handle;
  const Status status = UnwrapHandle(info.This(), &handle);
  if (!status.ok()) return Throw(info.Env(), status);
  if (handle->state != nullptr) handle->state->cancelled = true;
  return info.Env().Undefined();
}

Napi::Value Dispose(const Napi::CallbackInfo& info) {
  std::shared_ptr<ModelHandle> handle;
  const Status status = UnwrapHandle(info.This(), &handle);
  if (!status.ok()) return Throw(info.Env(), status);
  handle->state.reset();
  return info.Env().Undefined();
}

template <typename Get>
Napi::Value NumberOf(const Napi::CallbackInfo& info, const Get& get) {
  std::shared_ptr<ModelState> model;
  const Status status = ThisModel(info, &model);
  if (!status.ok()) return Throw(info.Env(), status);
  return Napi::Number::New(info.Env(), static_cast<double>(get(*model->decoder)));
}

Napi::Value Threads(const Napi::CallbackInfo& info) {
  return NumberOf(info, [](const Decoder& d) { return d.threads(); });
}
Napi::Value Labels(const Napi::CallbackInfo& info) {
  return NumberOf(info, [](const Decoder& d) { return d.config().labels; });
}
Napi::Value WeightBytes(const Napi::CallbackInfo& info) {
  return NumberOf(info, [](const Decoder& d) { return d.weights().file->size(); });
}
Napi::Value KvBytesPerToken(const Napi::CallbackInfo& info) {
  return NumberOf(info, [](const Decoder& d) { return d.kv_shape().bytes_per_token(); });
}
Napi::Value KvSegmentTokens(const Napi::CallbackInfo& info) {
  return NumberOf(info, [](const Decoder&) { return kKeyBlock; });
}
Napi::Value Checksums(const Napi::CallbackInfo& info) {
  std::shared_ptr<ModelState> model;
  const Status status = ThisModel(info, &model);
  if (!status.ok()) return Throw(info.Env(), status);
  const std::vector<uint64_t>& checksums = model->decoder->weights().checksums;
  Napi::BigUint64Array result = Napi::BigUint64Array::New(info.Env(), checksums.size());
  if (!info.Env().IsExceptionPending()) std::copy(checksums.begin(), checksums.end(), result.Data());
  return result;
}
Napi::Value IsaOf(const Napi::CallbackInfo& info) {
  std::shared_ptr<ModelState> model;
  const Status status = ThisModel(info, &model);
  if (!status.ok()) return Throw(info.Env(), status);
  return Napi::String::New(info.Env(), IsaName(model->decoder->isa()));
}

}  // namespace

Napi::FunctionReference DefineModelClass(Napi::Env env) {
  return DefineHandleClass<ModelHandle>(
      env, {Getter<IsaOf>("isa"), Getter<Threads>("threads"), Getter<Labels>("labels"), Getter<WeightBytes>("weightBytes"),
            Getter<KvBytesPerToken>("kvBytesPerToken"), Getter<KvSegmentTokens>("kvSegmentTokens"), Getter<Checksums>("checksums"),
            Method<CreateSequence>("createSequence"), Method<MapSequence>("mapSequence"), Method<Populate>("populate"), Method<Forward>("forward"), Method<Cancel>("cancel"), Method<Dispose>("dispose")});
}

Napi::Value LoadModel(const Napi::CallbackInfo& info) {
  auto spec = std::make_shared<ModelSpec>();
  EngineOptions options{};
  Status status = ReadModelSpec(info[0], spec.get());
  if (status.ok()) status = ReadEngineOptions(info[1], &options);
  if (!status.ok()) return Rejected(info.Env(), status);
  auto state = std::make_shared<ModelState>();
  return PromiseWorker::Start(
      info.Env(),
      [spec, options, state] {
        Weights weights;
        LG_RETURN_IF_ERROR(LoadWeights(spec->path, spec->config, spec->tensors, &weights));
        state->decoder = std::make_unique<Decoder>(spec->config, std::move(weights), options.isa, options.threads);
        return Status::Ok();
      },
      [] {}, [state](Napi::Env env) { return WrapHandle(DataOf(env).model_class, std::make_shared<ModelHandle>(ModelHandle{state})); });
}

}  // namespace lg
