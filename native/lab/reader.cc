// SPDX-License-Identifier: Apache-2.0
// Argument checks of the lab. They are strict, so that a test cannot pass an operand that is larger than the contract's.
#include "lab/reader.h"

#include "quant/q4.h"

namespace lg::lab {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;  // of one operand

}  // namespace

size_t Reader::Count(const char* name, size_t least, size_t most, size_t unit) {
  if (!ok()) return least;
  const Napi::Value value = args_.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1.0;
  // The comparison is false for NaN; the conversion is defined only within it.
  const bool inside = number >= static_cast<double>(least) && number <= static_cast<double>(most);
  const size_t count = inside ? static_cast<size_t>(number) : least;
  if (!inside || static_cast<double>(count) != number || count % unit != 0) {
    Fail(std::string("Expected '") + name + "' to be a multiple of " + std::to_string(unit) + " in " +
         std::to_string(least) + ".." + std::to_string(most));
    return least;
  }
  return count;
}

std::vector<size_t> Reader::Counts(const char* name, size_t least, size_t most) {
  if (!ok()) return {};
  const Napi::Value value = args_.Get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array || value.As<Napi::TypedArray>().ElementLength() == 0) {
    Fail(std::string("Expected '") + name + "' to be an Int32Array of at least one element");
    return {};
  }
  const Napi::Int32Array array = value.As<Napi::Int32Array>();
  std::vector<size_t> counts;
  for (size_t i = 0; i < array.ElementLength(); ++i) {
    const int64_t count = array[i];
    if (count < static_cast<int64_t>(least) || count > static_cast<int64_t>(most)) {
      Fail(std::string("Expected each of '") + name + "' in " + std::to_string(least) + ".." + std::to_string(most));
      return {};
    }
    counts.push_back(static_cast<size_t>(count));
  }
  return counts;
}

size_t Reader::Group() {
  const size_t group = Count("group", 32, 256, 32);
  if (IsGroup(group)) return group;
  Fail("Expected 'group' to be 32, 64, 128 or 256");
  return 32;
}

float Reader::Float(const char* name) {
  if (!ok()) return 0.0f;
  const Napi::Value value = args_.Get(name);
  if (!value.IsNumber()) {
    Fail(std::string("Expected '") + name + "' to be a number");
    return 0.0f;
  }
  return value.As<Napi::Number>().FloatValue();
}

bool Reader::IsArray(const char* name, napi_typedarray_type type, size_t count) {
  if (!ok()) return false;
  const Napi::Value value = args_.Get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    Fail(std::string("Expected '") + name + "' to be a typed array of the kernel's element type");
    return false;
  }
  const size_t found = value.As<Napi::TypedArray>().ElementLength();
  if (found != count) {
    Fail(std::string("Expected '") + name + "' to have " + std::to_string(count) + " elements, found " +
         std::to_string(found));
    return false;
  }
  return true;
}

void* Reader::Allocate(size_t bytes, size_t element, size_t alignment) {
  if (!ok()) return nullptr;
  GuardedBuffer buffer;
  if (bytes > kMostBytes || !buffer.Allocate(bytes, element, alignment, placement_)) {
    Fail("Could not allocate an operand of " + std::to_string(bytes) + " bytes");
    return nullptr;
  }
  arena_->push_back(std::move(buffer));
  return arena_->back().data();
}

}  // namespace lg::lab
