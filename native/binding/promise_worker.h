// SPDX-License-Identifier: Apache-2.0
// The one asynchronous worker: runs plain C++ off the event loop, then settles a promise.
#pragma once

#include <napi.h>

#include <functional>
#include <utility>

#include "binding/arguments.h"

namespace lg {

class PromiseWorker : public Napi::AsyncWorker {
 public:
  using Work = std::function<Status()>;                       // on a worker thread; touches no JavaScript
  using Finish = std::function<Napi::Value(Napi::Env)>;       // on the JavaScript thread, after success
  using Release = std::function<void()>;                      // on the JavaScript thread, always, before settling

  static Napi::Promise Start(Napi::Env env, Work work, Release release, Finish finish) {
    auto* worker = new PromiseWorker(env, std::move(work), std::move(release), std::move(finish));
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

 protected:
  void Execute() override { status_ = work_(); }

  void OnOK() override {
    const Napi::Env env = Env();
    const Napi::HandleScope scope(env);
    release_();
    if (!status_.ok()) return deferred_.Reject(ToError(env, status_).Value());
    const Napi::Value value = finish_(env);
    if (env.IsExceptionPending()) return deferred_.Reject(env.GetAndClearPendingException().Value());
    deferred_.Resolve(value);
  }

 private:
  PromiseWorker(Napi::Env env, Work work, Release release, Finish finish)
      : Napi::AsyncWorker(env, "llama_guard"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        release_(std::move(release)),
        finish_(std::move(finish)) {}

  Napi::Promise::Deferred deferred_;
  Work work_;
  Release release_;
  Finish finish_;
  Status status_ = Status::Ok();
};

}  // namespace lg
