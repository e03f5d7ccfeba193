// SPDX-License-Identifier: Apache-2.0
// How the core reports failure: a stable code of lib/errors/codes.ts and a message. Nothing below binding/ throws.
#pragma once

#include <string>
#include <utility>

namespace lg {

inline constexpr char kInvalidArgument[] = "ERR_LLAMA_GUARD_INVALID_ARGUMENT";
inline constexpr char kUnknownIsa[] = "ERR_LLAMA_GUARD_UNKNOWN_ISA";
inline constexpr char kUnsupportedIsa[] = "ERR_LLAMA_GUARD_UNSUPPORTED_ISA";
inline constexpr char kModelNotFound[] = "ERR_LLAMA_GUARD_MODEL_NOT_FOUND";
inline constexpr char kUnreadable[] = "ERR_LLAMA_GUARD_UNREADABLE";
inline constexpr char kBadConfig[] = "ERR_LLAMA_GUARD_BAD_CONFIG";
inline constexpr char kTruncated[] = "ERR_LLAMA_GUARD_TRUNCATED";
inline constexpr char kBadTensor[] = "ERR_LLAMA_GUARD_BAD_TENSOR";
inline constexpr char kNonFinite[] = "ERR_LLAMA_GUARD_NON_FINITE";
inline constexpr char kContextOverflow[] = "ERR_LLAMA_GUARD_CONTEXT_OVERFLOW";
inline constexpr char kOutOfMemory[] = "ERR_LLAMA_GUARD_OUT_OF_MEMORY";
inline constexpr char kAborted[] = "ERR_LLAMA_GUARD_ABORTED";
inline constexpr char kBusy[] = "ERR_LLAMA_GUARD_BUSY";
inline constexpr char kDisposed[] = "ERR_LLAMA_GUARD_DISPOSED";

class [[nodiscard]] Status {
 public:
  static Status Ok() { return Status(nullptr, {}); }
  static Status Error(const char* code, std::string message) { return Status(code, std::move(message)); }

  bool ok() const { return code_ == nullptr; }
  const char* code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Status(const char* code, std::string message) : code_(code), message_(std::move(message)) {}

  const char* code_;
  std::string message_;
};

// Returns from the calling function when `expression` is an error.
#define LG_RETURN_IF_ERROR(expression)                    \
  do {                                                    \
    ::lg::Status lg_status = (expression);                \
    if (!lg_status.ok()) return lg_status;                \
  } while (false)

}  // namespace lg
