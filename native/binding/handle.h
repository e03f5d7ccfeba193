// SPDX-License-Identifier: Apache-2.0
// JavaScript objects that carry a shared_ptr to a native one. Each carries a type tag, which is checked before every use,
// so that no call with a foreign `this` or argument can reach native memory as the wrong type.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "binding/arguments.h"

namespace lg {

// Specialised for each T: static constexpr napi_type_tag kTag; static constexpr char kName[].
template <typename T>
struct HandleTraits;

template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
napi_value Callback(napi_env env, napi_callback_info info) {
  return Function(Napi::CallbackInfo(env, info));
}

template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
napi_property_descriptor Method(const char* name) {
  return {name, nullptr, Callback<Function>, nullptr, nullptr, nullptr, napi_default_method, nullptr};
}

template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
napi_property_descriptor Getter(const char* name) {
  return {name, nullptr, nullptr, Callback<Function>, nullptr, nullptr, napi_enumerable, nullptr};
}

inline Napi::Value ReturnThis(const Napi::CallbackInfo& info) { return info.This(); }

// A class whose instances are made by WrapHandle only: one that a script constructs has no tag and is refused everywhere.
template <typename T>
Napi::FunctionReference DefineHandleClass(Napi::Env env, const std::vector<napi_property_descriptor>& properties) {
  napi_value constructor = nullptr;
  napi_define_class(env, HandleTraits<T>::kName, NAPI_AUTO_LENGTH, Callback<ReturnThis>, nullptr, properties.size(), properties.data(), &constructor);
  return Napi::Persistent(Napi::Function(env, constructor));
}

template <typename T>
Napi::Value WrapHandle(const Napi::FunctionReference& constructor, std::shared_ptr<T> target) {
  const Napi::Env env = constructor.Env();
  Napi::Object object = constructor.New({});
  if (env.IsExceptionPending()) return env.Undefined();
  auto* holder = new std::shared_ptr<T>(std::move(target));
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); };
  if (napi_wrap(env, object, holder, finalize, nullptr, nullptr) != napi_ok) {
    delete holder;
    return Throw(env, Status::Error(kOutOfMemory, std::string("Cannot make a ") + HandleTraits<T>::kName));
  }
  object.TypeTag(&HandleTraits<T>::kTag);
  return object;
}

template <typename T>
Status UnwrapHandle(const Napi::Value& value, std::shared_ptr<T>* target) {
  if (value.IsObject()) {
    const Napi::Object object = value.As<Napi::Object>();
    void* holder = nullptr;
    if (object.CheckTypeTag(&HandleTraits<T>::kTag) && napi_unwrap(value.Env(), value, &holder) == napi_ok) {
      *target = *static_cast<std::shared_ptr<T>*>(holder);
      return Status::Ok();
    }
    if (value.Env().IsExceptionPending()) value.Env().GetAndClearPendingException();
  }
  return BadArgument(std::string("a ") + HandleTraits<T>::kName + " that this package made");
}

}  // namespace lg
