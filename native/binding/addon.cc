// SPDX-License-Identifier: Apache-2.0
// Stands in for the addon until its code is there: shows that both builds work.

#include <napi.h>

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("napiVersion", Napi::Number::New(env, NAPI_VERSION));
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
