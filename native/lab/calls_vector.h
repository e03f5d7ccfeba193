// SPDX-License-Identifier: Apache-2.0
// Calls of the float families that work on rows: kv_store, rms_norm, rope, silu_mul, softmax.
#pragma once

#include "kernels/kv_store/kv_store.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "kernels/silu_mul/silu_mul.h"
#include "kernels/softmax/softmax.h"
#include "lab/call.h"

namespace lg::lab {

inline constexpr size_t kMostValues = 1 << 20;

// A call whose only result is a run of floats.
class FloatCall : public Call {
 public:
  Napi::Object Outputs(Napi::Env env) const override {
    Napi::Object out = Napi::Object::New(env);
    out.Set(name_, CopyOut(env, y_, count_));
    return out;
  }

 protected:
  float* Results(const char* name, float* y, size_t count) {
    name_ = name;
    y_ = y;
    count_ = count;
    return y;
  }

 private:
  const char* name_ = "";
  const float* y_ = nullptr;
  size_t count_ = 0;
};

class RmsNormCall : public FloatCall {
 public:
  RmsNormCall(RmsNormKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.n = in.Count("n", 16, kMostValues, 16);
    a_.eps = in.Float("eps");
    a_.weight = in.Input<float>("weight", a_.n);
    const bool in_place = in.Flag("inPlace");
    a_.x = in.InOut<float>("x", a_.n);
    a_.add = in.Flag("adds") ? in.Input<float>("add", a_.n) : nullptr;
    a_.y = Results("y", in_place ? a_.x : in.Output<float>(a_.n), a_.n);
  }
  void Run() override { kernel_(a_); }
  Napi::Object Outputs(Napi::Env env) const override {
    Napi::Object out = FloatCall::Outputs(env);
    out.Set("x", CopyOut(env, a_.x, a_.n));
    return out;
  }

 private:
  RmsNormKernel* kernel_;
  RmsNormArgs a_ = {};
};

class RopeCall : public FloatCall {
 public:
  RopeCall(RopeKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.heads = in.Count("heads", 1, 256);
    a_.head_dim = in.Count("headDim", 16, 256, 16);
    a_.cos = in.Input<float>("cos", a_.head_dim);
    a_.sin = in.Input<float>("sin", a_.head_dim);
    const size_t count = a_.heads * a_.head_dim;
    a_.x = Results("x", in.InOut<float>("x", count), count);
  }
  void Run() override { kernel_(a_); }

 private:
  RopeKernel* kernel_;
  RopeArgs a_ = {};
};

class SiluMulCall : public FloatCall {
 public:
  SiluMulCall(SiluMulKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.rows = in.Count("rows", 1, 4096);
    a_.n = in.Count("n", 16, 1 << 15, 16);
    a_.gate_up_stride = in.Count("gateUpStride", 2 * a_.n, 1 << 17);
    a_.y_stride = in.Count("yStride", a_.n, 1 << 16);
    a_.gate_up = in.Input<float>("gateUp", (a_.rows - 1) * a_.gate_up_stride + 2 * a_.n);
    const size_t count = (a_.rows - 1) * a_.y_stride + a_.n;
    a_.y = Results("y", in.Output<float>(count), count);
  }
  void Run() override { kernel_(a_); }

 private:
  SiluMulKernel* kernel_;
  SiluMulArgs a_ = {};
};

class KvStoreCall : public Call {
 public:
  KvStoreCall(KvStoreKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.rows = in.Count("rows", 1, kKeyBlock);
    a_.head_dim = in.Count("headDim", 16, kMaxHeadDim, 16);
    a_.stride = in.Count("stride", a_.head_dim, 1 << 16);
    a_.slot = in.Count("slot", 0, kKeyBlock - a_.rows);
    const size_t count = (a_.rows - 1) * a_.stride + a_.head_dim;
    a_.keys = in.Input<float>("keys", count);
    a_.values = in.Input<float>("values", count);
    a_.block = in.InOut<uint16_t>("block", 2 * kKeyBlock * a_.head_dim);
  }
  void Run() override { kernel_(a_); }
  Napi::Object Outputs(Napi::Env env) const override {
    Napi::Object out = Napi::Object::New(env);
    out.Set("block", CopyOut(env, a_.block, 2 * kKeyBlock * a_.head_dim));
    return out;
  }

 private:
  KvStoreKernel* kernel_;
  KvStoreArgs a_ = {};
};

class SoftmaxCall : public FloatCall {
 public:
  SoftmaxCall(SoftmaxKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.n = in.Count("n", 1, kMostValues);
    const bool in_place = in.Flag("inPlace");
    float* x = in.InOut<float>("x", a_.n);
    a_.x = x;
    a_.y = Results("y", in_place ? x : in.Output<float>(a_.n), a_.n);
  }
  void Run() override { kernel_(a_); }

 private:
  SoftmaxKernel* kernel_;
  SoftmaxArgs a_ = {};
};

}  // namespace lg::lab
