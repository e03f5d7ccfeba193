// SPDX-License-Identifier: Apache-2.0
// Pages come from the page cache and are shared between processes; nothing is locked or copied.
#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lg {
namespace {

Status SystemError(const std::string& path, int error) {
  const char* code = error == ENOENT || error == ENOTDIR ? kModelNotFound : error == ENOMEM ? kOutOfMemory : kUnreadable;
  return Status::Error(code, "Cannot map " + path + " (" + std::strerror(error) + ")");
}

}  // namespace

Status MappedFile::Open(const std::string& path, std::shared_ptr<const MappedFile>* file) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, errno);
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) {
    close(fd);
    return Status::Error(kUnreadable, "Expected " + path + " to be a regular file that is not empty");
  }
  const size_t size = static_cast<size_t>(info.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);  // the mapping keeps the file
  if (data == MAP_FAILED) return SystemError(path, error);
  file->reset(new MappedFile(static_cast<const uint8_t*>(data), size));
  return Status::Ok();
}

MappedFile::~MappedFile() { munmap(const_cast<uint8_t*>(data_), size_); }

}  // namespace lg
