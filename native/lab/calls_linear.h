// SPDX-License-Identifier: Apache-2.0
// Calls of the integer families: q4q8_matmul and quantize_q8.
#pragma once

#include "kernels/q4q8_matmul/q4q8_matmul.h"
#include "kernels/quantize_q8/quantize_q8.h"
#include "lab/call.h"
#include "quant/q4.h"

namespace lg::lab {

inline constexpr size_t kMostRows = 4096;
inline constexpr size_t kMostInputs = 1 << 16;
inline constexpr size_t kMostPanels = 1 << 14;

class Q4Q8MatmulCall : public Call {
 public:
  Q4Q8MatmulCall(Q4Q8MatmulKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.b.group = in.Group();
    a_.b.k = in.Count("k", a_.b.group, kMostInputs, a_.b.group);
    const size_t k = a_.b.k, groups = k / a_.b.group;
    a_.m = in.Count("m", 1, kMostRows);
    a_.b.panels = in.Count("panels", 1, kMostPanels);
    a_.first_panel = in.Count("firstPanel", 0, a_.b.panels - 1);
    a_.panel_count = in.Count("panelCount", 1, a_.b.panels - a_.first_panel);
    a_.a.q_stride = in.Count("qStride", k, 2 * kMostInputs, 64);
    a_.a.corr_stride = in.Count("corrStride", groups, kMostInputs);
    a_.c_stride = in.Count("cStride", kPanelRows * a_.panel_count, 2 * kPanelRows * kMostPanels);
    a_.a.q = in.Input<int8_t>("q", (a_.m - 1) * a_.a.q_stride + k);
    a_.a.corr = in.Input<int32_t>("corr", (a_.m - 1) * a_.a.corr_stride + groups);
    a_.a.inv = in.Input<float>("inv", a_.m);
    const size_t cells = a_.b.panels * groups * kPanelRows;
    a_.b.q4 = in.Input<uint8_t>("q4", a_.b.panels * PanelBytes(k), Aligned::line);
    a_.b.scales = in.Input<uint8_t>("scales", cells * ScaleBytes(a_.b.group), Aligned::line);
    a_.b.sums = in.Input<int16_t>("sums", cells, Aligned::line);
    c_count_ = (a_.m - 1) * a_.c_stride + kPanelRows * a_.panel_count;
    a_.c = in.Output<float>(c_count_);
  }
  void Run() override { kernel_(a_); }
  Napi::Object Outputs(Napi::Env env) const override {
    Napi::Object out = Napi::Object::New(env);
    out.Set("c", CopyOut(env, a_.c, c_count_));
    return out;
  }

 private:
  Q4Q8MatmulKernel* kernel_;
  Q4Q8MatmulArgs a_ = {};
  size_t c_count_;
};

class QuantizeQ8Call : public Call {
 public:
  QuantizeQ8Call(QuantizeQ8Kernel* kernel, Reader& in) : kernel_(kernel) {
    a_.group = in.Group();
    a_.k = in.Count("k", a_.group, kMostInputs, a_.group);
    a_.x = in.Input<float>("x", a_.k);
    a_.q = in.Output<int8_t>(a_.k);
    a_.corr = in.Output<int32_t>(a_.k / a_.group);
    a_.inv = in.Output<float>(1);
  }
  void Run() override { kernel_(a_); }
  Napi::Object Outputs(Napi::Env env) const override {
    Napi::Object out = Napi::Object::New(env);
    out.Set("q", CopyOut(env, a_.q, a_.k));
    out.Set("corr", CopyOut(env, a_.corr, a_.k / a_.group));
    out.Set("inv", CopyOut(env, a_.inv, 1));
    return out;
  }

 private:
  QuantizeQ8Kernel* kernel_;
  QuantizeQ8Args a_ = {};
};

}  // namespace lg::lab
