// SPDX-License-Identifier: Apache-2.0
// Calls of attention. Every block of keys and of values lies in guarded memory of its own.
#pragma once

#include <vector>

#include "kernels/attention/attention.h"
#include "lab/calls_vector.h"

namespace lg::lab {

class AttentionCall : public FloatCall {
 public:
  AttentionCall(AttentionKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.rows = in.Count("rows", 1, 4096);
    a_.heads = in.Count("heads", 1, 64);
    a_.head_dim = in.Count("headDim", 16, kMaxHeadDim, 16);
    a_.stride = in.Count("stride", a_.heads * a_.head_dim, 1 << 16);
    a_.first_position = in.Count("firstPosition", 0, 1 << 14);
    a_.scale = in.Float("scale");
    const bool in_place = in.Flag("inPlace");
    const size_t count = (a_.rows - 1) * a_.stride + a_.heads * a_.head_dim;
    float* q = in.InOut<float>("q", count);
    a_.q = q;
    a_.out = Results("out", in_place ? q : in.Output<float>(count), count);
    a_.scratch = in.Output<float>(AttentionScratchFloats(a_.rows, a_.heads, a_.head_dim), Aligned::line);
    const size_t blocks = (a_.first_position + a_.rows + kKeyBlock - 1) / kKeyBlock;
    a_.keys = Blocks(in, "keys", blocks, &keys_);
    a_.values = Blocks(in, "values", blocks, &values_);
  }
  void Run() override { kernel_(a_); }

 private:
  // Cuts one array of `blocks` whole blocks.
  const uint16_t* const* Blocks(Reader& in, const char* name, size_t blocks, std::vector<const uint16_t*>* result) const {
    const size_t size = kKeyBlock * a_.head_dim;
    for (size_t i = 0; i < blocks; ++i) result->push_back(in.InputPart<uint16_t>(name, {blocks * size, i * size, size}));
    return result->data();
  }

  AttentionKernel* kernel_;
  AttentionArgs a_ = {};
  std::vector<const uint16_t*> keys_, values_;
};

}  // namespace lg::lab
