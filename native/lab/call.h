// SPDX-License-Identifier: Apache-2.0
// One kernel with its operands, ready to be run once (tests) or many times (benchmarks), and the table of families.
#pragma once

#include <napi.h>

#include <memory>

#include "base/isa.h"
#include "lab/guarded.h"
#include "lab/reader.h"

namespace lg::lab {

class Call {
 public:
  virtual ~Call() = default;
  virtual void Run() = 0;
  // Copies of what the kernel wrote.
  virtual Napi::Object Outputs(Napi::Env env) const = 0;

  Arena arena;
};

// A line of a kernels.inc.
struct KernelLine {
  const char* name;
  Isa isa;
  size_t min_rows;
};

struct Family {
  const char* name;
  size_t (*count)();
  KernelLine (*line)(size_t index);
  const char* (*select)(Isa active, size_t rows);
  // A call of kernel `index`; null, with the reason in `error`, when the arguments do not fit.
  std::unique_ptr<Call> (*make)(size_t index, Napi::Object args, Placement placement, std::string* error);
};

// Every kernel family; null after the last.
const Family* FamilyAt(size_t index);

template <typename T>
Napi::Value CopyOut(Napi::Env env, const T* data, size_t count) {
  auto array = Napi::TypedArrayOf<T>::New(env, count);
  if (count > 0) std::memcpy(array.Data(), data, count * sizeof(T));
  return array;
}

}  // namespace lg::lab
