// SPDX-License-Identifier: Apache-2.0
// Reading JavaScript values with checks. TypeScript has validated already; here stands what could crash. Every reader
// returns a Status and never leaves a JavaScript exception pending.
#pragma once

#include <napi.h>

#include <string>

#include "base/status.h"

namespace lg {

inline constexpr size_t kMostExtent = size_t{1} << 52;  // bytes or elements; exact in a double

inline Status BadArgument(const std::string& what) { return Status::Error(kInvalidArgument, "Expected " + what); }

inline Napi::Value ValueOrUndefined(Napi::Env env, napi_status status, napi_value value) {
  if (status == napi_ok) return Napi::Value(env, value);
  if (env.IsExceptionPending()) env.GetAndClearPendingException();
  return env.Undefined();
}

// A property of `object`, undefined where a getter throws.
inline Napi::Value Property(const Napi::Object& object, const char* name) {
  napi_value value = nullptr;
  const napi_status status = napi_get_named_property(object.Env(), object, name, &value);
  return ValueOrUndefined(object.Env(), status, value);
}

// An element of `array`, undefined where a getter throws.
inline Napi::Value Element(const Napi::Array& array, uint32_t index) {
  napi_value value = nullptr;
  const napi_status status = napi_get_element(array.Env(), array, index, &value);
  return ValueOrUndefined(array.Env(), status, value);
}

inline Status ReadSize(const Napi::Value& value, const std::string& name, size_t most, size_t* out) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= 0 && number <= static_cast<double>(most) && number == static_cast<double>(static_cast<size_t>(number))) {
      *out = static_cast<size_t>(number);
      return Status::Ok();
    }
  }
  return BadArgument(name + " to be an integer from 0 to " + std::to_string(most));
}

inline Status ReadString(const Napi::Value& value, const std::string& name, std::string* out) {
  if (!value.IsString()) return BadArgument(name + " to be a string");
  *out = value.As<Napi::String>().Utf8Value();
  if (out->find('\0') != std::string::npos) return BadArgument(name + " to hold no NUL character");
  return Status::Ok();
}

inline Status ReadObject(const Napi::Value& value, const std::string& name, Napi::Object* out) {
  if (!value.IsObject()) return BadArgument(name + " to be an object");
  *out = value.As<Napi::Object>();
  return Status::Ok();
}

inline Status ReadArray(const Napi::Value& value, const std::string& name, Napi::Array* out) {
  if (!value.IsArray()) return BadArgument(name + " to be an array");
  *out = value.As<Napi::Array>();
  return Status::Ok();
}

// A view of a typed array of element type `type`; valid until JavaScript runs again, which may resize or transfer it.
template <typename Array>
Status ReadTypedArray(const Napi::Value& value, const std::string& name, napi_typedarray_type type, Array* out) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    return BadArgument(name + " to be a typed array of the right element type");
  }
  *out = value.As<Array>();
  return Status::Ok();
}

inline Napi::Error ToError(const Napi::Env& env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("code", Napi::String::New(env, status.code()));
  return error;
}

inline Napi::Value Throw(const Napi::Env& env, const Status& status) {
  ToError(env, status).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace lg
