// SPDX-License-Identifier: Apache-2.0
// The one asynchronous worker: runs plain C++ off the event loop, then settles a promise.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <utility>

#include "binding/arguments.h"

namespace lg {

// Made of Node-API's own calls, whose failure can be looked at: a worker thread may be terminated while the work runs, and
// then the completion comes in an environment that refuses to run JavaScript, where node-addon-api would end the process.
class PromiseWorker {
 public:
  using Work = std::function<Status()>;                  // on a thread of Node's pool; touches no JavaScript
  using Finish = std::function<Napi::Value(Napi::Env)>;  // on the JavaScript thread, after success
  using Release = std::function<void()>;                 // on the JavaScript thread, always, before settling

  static Napi::Value Start(Napi::Env env, Work work, Release release, Finish finish) {
    std::unique_ptr<PromiseWorker> worker(new PromiseWorker{std::move(work), std::move(release), std::move(finish)});
    napi_value promise = nullptr;
    napi_value name = Napi::String::New(env, "llama_guard");
    if (napi_create_promise(env, &worker->deferred_, &promise) != napi_ok ||
        napi_create_async_work(env, nullptr, name, Execute, Complete, worker.get(), &worker->work_handle_) != napi_ok ||
        napi_queue_async_work(env, worker->work_handle_) != napi_ok) {
      worker->release_();
      return Throw(env, Status::Error(kOutOfMemory, "Cannot start a worker"));
    }
    worker.release();  // Complete deletes it
    return Napi::Value(env, promise);
  }

 private:
  PromiseWorker(Work work, Release release, Finish finish)
      : work_(std::move(work)), release_(std::move(release)), finish_(std::move(finish)) {}

  static void Execute(napi_env, void* data) {
    auto* const self = static_cast<PromiseWorker*>(data);
    self->status_ = self->work_();
  }

  static void Complete(napi_env raw, napi_status status, void* data) {
    const std::unique_ptr<PromiseWorker> self(static_cast<PromiseWorker*>(data));
    const Napi::Env env(raw);
    const Napi::HandleScope scope(env);
    self->release_();
    napi_delete_async_work(env, self->work_handle_);
    if (status == napi_ok && CanRunJavaScript(env)) self->Settle(env);
  }

  // False while the environment is being torn down: creating a buffer is refused then, as everything else is.
  static bool CanRunJavaScript(Napi::Env env) {
    napi_value probe;
    return napi_create_arraybuffer(env, 0, nullptr, &probe) == napi_ok;
  }

  void Settle(Napi::Env env) {
    if (!status_.ok()) {
      napi_reject_deferred(env, deferred_, ToError(env, status_).Value());
      return;
    }
    const Napi::Value value = finish_(env);
    if (env.IsExceptionPending()) {
      napi_reject_deferred(env, deferred_, env.GetAndClearPendingException().Value());
    } else {
      napi_resolve_deferred(env, deferred_, value);
    }
  }

  Work work_;
  Release release_;
  Finish finish_;
  Status status_ = Status::Ok();
  napi_deferred deferred_ = nullptr;
  napi_async_work work_handle_ = nullptr;
};

}  // namespace lg
