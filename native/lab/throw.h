// SPDX-License-Identifier: Apache-2.0
// How the lab reports a mistake: a JavaScript error with a code of lib/errors/codes.ts.
#pragma once

#include <napi.h>

#include <string>

#include "base/status.h"

namespace lg::lab {

// Returns undefined, so that a caller may return its result.
inline Napi::Value Throw(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

inline Napi::Value ThrowInvalid(Napi::Env env, const std::string& message) { return Throw(env, kInvalidArgument, message); }

}  // namespace lg::lab
