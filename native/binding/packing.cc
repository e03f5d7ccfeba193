// SPDX-License-Identifier: Apache-2.0
#include "binding/packing.h"

#include "binding/arguments.h"
#include "packing/panel16.h"
#include "quant/q4.h"

namespace lg {
namespace {

constexpr size_t kMostExtent = 1 << 24;
constexpr size_t kMostElements = size_t{1} << 31;

struct Shape {
  size_t n, k, group;
};

// n, k and group from three arguments on; after it n * k and all sizes derived from it fit easily.
Status ReadShape(const Napi::CallbackInfo& info, size_t first, Shape* shape) {
  LG_RETURN_IF_ERROR(ReadSize(info[first], "n", kMostExtent, &shape->n));
  LG_RETURN_IF_ERROR(ReadSize(info[first + 1], "k", kMostExtent, &shape->k));
  LG_RETURN_IF_ERROR(ReadSize(info[first + 2], "group", 256, &shape->group));
  if (!IsGroup(shape->group) || shape->k % shape->group != 0) return BadArgument("a group of 32, 64, 128 or 256 that divides k");
  if (shape->n == 0 || shape->k == 0 || shape->n * shape->k > kMostElements) return BadArgument("n * k from 1 to 2^31");
  return Status::Ok();
}

Status ReadBytes(const Napi::Value& value, const std::string& name, size_t size, Napi::Uint8Array* bytes) {
  LG_RETURN_IF_ERROR(ReadTypedArray(value, name, napi_uint8_array, bytes));
  if (bytes->ByteLength() == size) return Status::Ok();
  return BadArgument(name + " to hold " + std::to_string(size) + " bytes, found " + std::to_string(bytes->ByteLength()));
}

Status ReadFloatType(const Napi::Value& value, FloatType* type, size_t* bytes) {
  std::string name;
  LG_RETURN_IF_ERROR(ReadString(value, "dtype", &name));
  *bytes = name == "F32" ? 4 : 2;
  *type = name == "F32" ? FloatType::f32 : name == "F16" ? FloatType::f16 : FloatType::bf16;
  return name == "F32" || name == "F16" || name == "BF16" ? Status::Ok() : BadArgument("dtype to be F32, F16 or BF16");
}

}  // namespace

Napi::Value QuantizeRowsBinding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Uint8Array rows;
  FloatType type = FloatType::f32;
  size_t element = 0;
  Shape s{};
  Status status = ReadFloatType(info[1], &type, &element);
  if (status.ok()) status = ReadShape(info, 2, &s);
  if (status.ok()) status = ReadBytes(info[0], "rows", s.n * s.k * element, &rows);
  if (!status.ok()) return Throw(env, status);
  Napi::Uint8Array values = Napi::Uint8Array::New(env, s.n * s.k / 2);
  Napi::Uint8Array scales = Napi::Uint8Array::New(env, s.n * s.k / s.group * ScaleBytes(s.group));
  if (env.IsExceptionPending()) return env.Undefined();
  status = QuantizeRows({rows.Data(), type, s.n, s.k, s.group, values.Data(), scales.Data()});
  if (!status.ok()) return Throw(env, status);
  Napi::Object result = Napi::Object::New(env);
  result.Set("values", values);
  result.Set("scales", scales);
  return result;
}

Napi::Value PackPanelsBinding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Uint8Array values, row_scales;
  Shape s{};
  Status status = ReadShape(info, 2, &s);
  if (status.ok()) status = ReadBytes(info[0], "values", s.n * s.k / 2, &values);
  if (status.ok()) status = ReadBytes(info[1], "scales", s.n * s.k / s.group * ScaleBytes(s.group), &row_scales);
  if (!status.ok()) return Throw(env, status);
  const size_t cells = PanelCount(s.n) * (s.k / s.group) * kPanelRows;
  Napi::Uint8Array q4 = Napi::Uint8Array::New(env, PanelCount(s.n) * PanelBytes(s.k));
  Napi::Uint8Array scales = Napi::Uint8Array::New(env, cells * ScaleBytes(s.group));
  Napi::Uint8Array sums = Napi::Uint8Array::New(env, cells * sizeof(int16_t));
  if (env.IsExceptionPending()) return env.Undefined();
  PackPanels({values.Data(), row_scales.Data(), s.n, s.k, s.group, q4.Data(), scales.Data(), reinterpret_cast<int16_t*>(sums.Data())});
  Napi::Object result = Napi::Object::New(env);
  result.Set("q4", q4);
  result.Set("scales", scales);
  result.Set("sums", sums);
  return result;
}

}  // namespace lg
