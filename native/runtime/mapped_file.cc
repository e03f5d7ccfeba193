// SPDX-License-Identifier: Apache-2.0
// Pages come from the page cache and are shared between processes; nothing is locked or copied.
#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>

namespace lg {
namespace {

Status SystemError(const std::string& path, int error) {
  const char* code = error == ENOENT || error == ENOTDIR ? kModelNotFound : error == ENOMEM ? kOutOfMemory : kUnreadable;
  return Status::Error(code, "Cannot map " + path + " (" + std::strerror(error) + ")");
}

// What tells whether a path still means the file that was mapped: device, inode, size, time of change.
using FileKey = std::tuple<dev_t, ino_t, off_t, int64_t>;

FileKey KeyOf(const struct stat& info) {
#if defined(__APPLE__)
  const struct timespec& changed = info.st_ctimespec;
#else
  const struct timespec& changed = info.st_ctim;
#endif
  return {info.st_dev, info.st_ino, info.st_size, static_cast<int64_t>(changed.tv_sec) * 1000000000 + changed.tv_nsec};
}

struct Registry {
  std::mutex mutex;
  std::map<FileKey, std::weak_ptr<const MappedFile>> files;

  // Files that nobody maps any more.
  void Forget() {
    for (auto at = files.begin(); at != files.end();) at = at->second.expired() ? files.erase(at) : std::next(at);
  }
};

// Never destroyed: worker threads may still let go of mappings while the process exits.
Registry& OpenFiles() {
  static Registry* const registry = new Registry;
  return *registry;
}

}  // namespace

Status MappedFile::Open(const std::string& path, std::shared_ptr<const MappedFile>* file) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // does not wait for the writer of a pipe
  if (fd < 0) return SystemError(path, errno);
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) {
    close(fd);
    return Status::Error(kUnreadable, "Expected " + path + " to be a regular file that is not empty");
  }
  const size_t size = static_cast<size_t>(info.st_size);
  Registry& registry = OpenFiles();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  registry.Forget();
  std::weak_ptr<const MappedFile>& known = registry.files[KeyOf(info)];
  *file = known.lock();
  if (*file != nullptr) {
    close(fd);
    return Status::Ok();
  }
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);  // the mapping keeps the file
  if (data == MAP_FAILED) return SystemError(path, error);
  file->reset(new MappedFile(static_cast<const uint8_t*>(data), size));
  known = *file;
  return Status::Ok();
}

void MappedFile::AdviseRandom(const uint8_t* begin, size_t bytes) const {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_RANDOM);  // a hint: failure costs speed only
}

void MappedFile::Populate(const uint8_t* begin, size_t bytes, std::chrono::steady_clock::time_point deadline) const {
#if defined(__linux__)
  constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ, which older headers lack
  constexpr size_t kPieceBytes = 1 << 22;
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t end = reinterpret_cast<uintptr_t>(begin) + bytes;
  for (uintptr_t at = reinterpret_cast<uintptr_t>(begin) / page * page; at < end; at += kPieceBytes) {
    if (std::chrono::steady_clock::now() >= deadline) return;
    if (madvise(reinterpret_cast<void*>(at), std::min(end - at, kPieceBytes), kPopulateRead) != 0) return;
  }
#endif
}

MappedFile::~MappedFile() { munmap(const_cast<uint8_t*>(data_), size_); }

}  // namespace lg
