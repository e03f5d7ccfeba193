// SPDX-License-Identifier: Apache-2.0
#include "binding/sequence.h"

#include "binding/addon_data.h"

namespace lg {

Status SequenceHandle::Usable() const {
  if (disposed) return Status::Error(kDisposed, "Expected a sequence in use, found one that is disposed");
  return Idle();
}

Status SequenceHandle::Idle() const {
  if (busy) return Status::Error(kBusy, "Expected an idle sequence, found one that a forward pass is using");
  return Status::Ok();
}

void SequenceHandle::Dispose() {
  disposed = true;
  if (busy) return;
  kv.Truncate(0);
  model.reset();
}

void SequenceHandle::EndPass() {
  busy = false;
  if (disposed) Dispose();
}

namespace {

Status This(const Napi::CallbackInfo& info, std::shared_ptr<SequenceHandle>* sequence) { return UnwrapHandle(info.This(), sequence); }

// A usable `this` and its first argument as a length within the sequence.
Status ThisAndLength(const Napi::CallbackInfo& info, std::shared_ptr<SequenceHandle>* sequence, size_t* length) {
  LG_RETURN_IF_ERROR(This(info, sequence));
  LG_RETURN_IF_ERROR((*sequence)->Usable());
  return ReadSize(info[0], "length", (*sequence)->kv.length(), length);
}

// A `this` that no pass is changing at this moment; a disposed one is empty.
Status ThisIdle(const Napi::CallbackInfo& info, std::shared_ptr<SequenceHandle>* sequence) {
  LG_RETURN_IF_ERROR(This(info, sequence));
  return (*sequence)->Idle();
}

Napi::Value Length(const Napi::CallbackInfo& info) {
  std::shared_ptr<SequenceHandle> sequence;
  const Status status = ThisIdle(info, &sequence);
  if (!status.ok()) return Throw(info.Env(), status);
  return Napi::Number::New(info.Env(), static_cast<double>(sequence->kv.length()));
}

Napi::Value KvBytes(const Napi::CallbackInfo& info) {
  std::shared_ptr<SequenceHandle> sequence;
  const Status status = ThisIdle(info, &sequence);
  if (!status.ok()) return Throw(info.Env(), status);
  return Napi::Number::New(info.Env(), static_cast<double>(sequence->kv.OwnedBytes()));
}

Napi::Value Fork(const Napi::CallbackInfo& info) {
  std::shared_ptr<SequenceHandle> sequence;
  size_t length;
  Status status = ThisAndLength(info, &sequence, &length);
  if (!status.ok()) return Throw(info.Env(), status);
  auto fork = std::make_shared<SequenceHandle>(sequence->model);
  status = sequence->kv.Fork(length, &fork->kv);
  if (!status.ok()) return Throw(info.Env(), status);
  return WrapHandle(DataOf(info.Env()).sequence_class, std::move(fork));
}

Napi::Value Truncate(const Napi::CallbackInfo& info) {
  std::shared_ptr<SequenceHandle> sequence;
  size_t length;
  const Status status = ThisAndLength(info, &sequence, &length);
  if (!status.ok()) return Throw(info.Env(), status);
  sequence->kv.Truncate(length);
  return info.Env().Undefined();
}

Napi::Value ExportKv(const Napi::CallbackInfo& info) {
  std::shared_ptr<SequenceHandle> sequence;
  Status status = This(info, &sequence);
  if (status.ok()) status = sequence->Usable();
  if (!status.ok()) return Throw(info.Env(), status);
  Napi::Uint8Array bytes = Napi::Uint8Array::New(info.Env(), sequence->kv.ExportBytes());
  if (info.Env().IsExceptionPending()) return info.Env().Undefined();
  sequence->kv.Export(reinterpret_cast<uint16_t*>(bytes.Data()));
  return bytes;
}

Napi::Value Dispose(const Napi::CallbackInfo& info) {
  std::shared_ptr<SequenceHandle> sequence;
  const Status status = This(info, &sequence);
  if (!status.ok()) return Throw(info.Env(), status);
  sequence->Dispose();
  return info.Env().Undefined();
}

}  // namespace

Napi::FunctionReference DefineSequenceClass(Napi::Env env) {
  return DefineHandleClass<SequenceHandle>(env, {Getter<Length>("length"), Getter<KvBytes>("kvBytes"), Method<Fork>("fork"),
                                                 Method<Truncate>("truncate"), Method<ExportKv>("exportKv"), Method<Dispose>("dispose")});
}

}  // namespace lg
