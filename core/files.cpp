// Durable writes: a temporary file, fsync, rename, fsync of the folder.
#include "core/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "core/error.h"

namespace sublab {
namespace {

[[noreturn]] void throw_errno(const fs::path& path, const std::string& doing) {
  throw UserError(path.string(), "cannot " + doing + ": " + std::strerror(errno));
}

void sync_path(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags);
  if (fd < 0) throw_errno(path, "open");
  const int failed = ::fsync(fd);
  ::close(fd);
  if (failed) throw_errno(path, "write to disk");
}

/// A device or a pipe, which nothing may take the place of.
void write_in_place(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  errno = 0;
  std::ofstream out(path, std::ios::binary);
  if (!out) throw_errno(path, "write");
  write(out);
  out.flush();
  if (!out) throw_errno(path, "write");
}

}  // namespace

std::string read_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw UserError(path.string(), "is a folder, expected a file");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) throw_errno(path, "read");
  std::string out;
  const auto size = fs::file_size(path, ignored);
  if (!ignored) out.reserve(size);  // a pipe has none
  char buffer[1 << 16];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0)
    out.append(buffer, static_cast<size_t>(in.gcount()));
  if (in.bad()) throw_errno(path, "read");
  return out;
}

std::vector<fs::path> folder_entries(const fs::path& path) {
  std::error_code error;
  std::vector<fs::path> out;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
    out.push_back(it->path());
  if (error) throw UserError(path.string(), "cannot read this folder: " + error.message());
  std::sort(out.begin(), out.end());
  return out;
}

void write_file_durably(const fs::path& path, std::string_view bytes) {
  write_file_durably(path, [bytes](std::ostream& out) {
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  });
}

void write_file_durably(const fs::path& given, const std::function<void(std::ostream&)>& write) {
  std::error_code error;
  const auto kind = fs::status(given, error).type();
  const bool exists = !error && kind != fs::file_type::not_found;
  if (exists && kind != fs::file_type::regular && kind != fs::file_type::directory) {
    write_in_place(given, write);
    return;
  }
  // What a link names is written, and the link stays.
  const fs::path path = exists && fs::is_symlink(given, error) ? fs::canonical(given) : given;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  make_writable_folder(folder);
  const fs::path temporary = path.string() + ".tmp" + std::to_string(::getpid());
  try {
    errno = 0;
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    if (!out) throw_errno(path, "write");
    write(out);
    out.flush();
    if (!out) throw_errno(path, "write");
    out.close();
    sync_path(temporary, O_RDONLY);
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw_errno(path, "write");
    sync_path(folder, O_RDONLY | O_DIRECTORY);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}

void make_writable_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw UserError(path.string(), "cannot make this folder: " + error.message());
  if (!fs::is_directory(path, error)) throw UserError(path.string(), "is not a folder");
  if (::access(path.c_str(), W_OK) != 0) throw_errno(path, "write into this folder");
}

MappedFile::MappedFile(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  if (fd < 0) throw_errno(path, "read");
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    throw UserError(path.string(), "is not a regular file");
  }
  size_ = static_cast<size_t>(info.st_size);
  void* data = size_ ? ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  ::close(fd);
  if (data == MAP_FAILED) throw_errno(path, "map");
  data_ = static_cast<const uint8_t*>(data);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), size_);
}

FileLock::FileLock(const fs::path& path, bool wait) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd_ < 0 && (errno == EACCES || errno == EROFS))  // another user's: flock asks for no more
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0 && errno == ENOENT) {
    if (path.has_parent_path()) make_writable_folder(path.parent_path());
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  }
  if (fd_ < 0) throw_errno(path, "lock");
  held_ = ::flock(fd_, wait ? LOCK_EX : LOCK_EX | LOCK_NB) == 0;
  if (wait && !held_) throw_errno(path, "lock");
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

fs::path cache_folder() {
  if (const char* given = std::getenv("SUBLAB_CACHE"); given && *given) return given;
  if (const char* home = std::getenv("HOME"); home && *home)
    return fs::path(home) / ".cache/sublab";
  throw UserError("SUBLAB_CACHE", "is not set and there is no HOME; set it to a writable folder");
}

}  // namespace sublab
