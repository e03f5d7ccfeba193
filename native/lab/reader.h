// SPDX-License-Identifier: Apache-2.0
// Reads a kernel's arguments from a JavaScript object and puts its operands into guarded memory. The first argument
// that does not fit is kept as the error; after it every read gives something harmless, and no kernel may be run.
#pragma once

#include <napi.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "lab/guarded.h"

namespace lg::lab {

template <typename T>
struct ArrayType;
template <>
struct ArrayType<uint8_t> { static constexpr napi_typedarray_type value = napi_uint8_array; };
template <>
struct ArrayType<int8_t> { static constexpr napi_typedarray_type value = napi_int8_array; };
template <>
struct ArrayType<uint16_t> { static constexpr napi_typedarray_type value = napi_uint16_array; };
template <>
struct ArrayType<int16_t> { static constexpr napi_typedarray_type value = napi_int16_array; };
template <>
struct ArrayType<int32_t> { static constexpr napi_typedarray_type value = napi_int32_array; };
template <>
struct ArrayType<float> { static constexpr napi_typedarray_type value = napi_float32_array; };

// `count` elements from `begin` on of an array that has `all`.
struct Part {
  size_t all, begin, count;
};

// What a kernel's contract says of an operand's address.
enum class Aligned { element, line };  // line = 64 bytes

class Reader {
 public:
  Reader(Napi::Object args, Placement placement, Arena* arena) : args_(args), placement_(placement), arena_(arena) {}

  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }

  // An integer of `least` to `most` that `unit` divides; `least` after an error.
  size_t Count(const char* name, size_t least, size_t most, size_t unit = 1);
  // An Int32Array of at least one integer, each of `least` to `most`; empty after an error.
  std::vector<size_t> Counts(const char* name, size_t least, size_t most);
  // 'group': 32, 64, 128 or 256.
  size_t Group();
  float Float(const char* name);
  // An error of the arguments unless `holds`.
  void Check(bool holds, const char* error) {
    if (!holds) Fail(error);
  }
  // False when absent.
  bool Flag(const char* name) { return ok() && args_.Get(name).ToBoolean().Value(); }

  // A read-only copy of a typed array that has exactly `count` elements.
  template <typename T>
  const T* Input(const char* name, size_t count, Aligned aligned = Aligned::element) {
    return InputPart<T>(name, {count, 0, count}, aligned);
  }
  // The same of a part of an array.
  template <typename T>
  const T* InputPart(const char* name, Part part, Aligned aligned = Aligned::element) {
    const T* data = Copy<T>(name, part, aligned);
    if (ok()) arena_->back().Seal();
    return data;
  }
  // The same, to be written to.
  template <typename T>
  T* InOut(const char* name, size_t count) {
    return Copy<T>(name, {count, 0, count}, Aligned::element);
  }
  // Memory for a result or for scratch; all bits are set.
  template <typename T>
  T* Output(size_t count, Aligned aligned = Aligned::element) {
    return static_cast<T*>(Allocate(count * sizeof(T), sizeof(T), aligned == Aligned::line ? kAlignment : sizeof(T)));
  }

 private:
  template <typename T>
  T* Copy(const char* name, Part part, Aligned aligned) {
    if (!IsArray(name, ArrayType<T>::value, part.all)) return nullptr;
    T* data = Output<T>(part.count, aligned);
    if (ok()) std::memcpy(data, args_.Get(name).As<Napi::TypedArrayOf<T>>().Data() + part.begin, part.count * sizeof(T));
    return data;
  }
  void Fail(const std::string& error) {
    if (ok()) error_ = error;
  }
  bool IsArray(const char* name, napi_typedarray_type type, size_t count);
  void* Allocate(size_t bytes, size_t element, size_t alignment);

  Napi::Object args_;
  Placement placement_;
  Arena* arena_;
  std::string error_;
};

}  // namespace lg::lab
