// Files: whole reads, durable writes, memory maps, locks. Failures throw UserError with the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sublab {

namespace fs = std::filesystem;

/// The bytes of `path`.
std::string read_file(const fs::path& path);

/// Writes `bytes` so that a reader sees the old file or the whole new one, and a power cut loses
/// neither: temporary file beside it, fsync, rename, fsync of the folder. Makes parent folders.
void write_file_durably(const fs::path& path, std::string_view bytes);

/// The same for content too large for one string: `write` is handed a stream on the temporary file.
void write_file_durably(const fs::path& path, const std::function<void(std::ostream&)>& write);

/// What a folder holds, sorted by name. Throws where it cannot be read.
std::vector<fs::path> folder_entries(const fs::path& path);

/// Makes `path` and its parents; throws when it cannot be made or written to.
void make_writable_folder(const fs::path& path);

/// A file mapped read-only. The bytes live as long as the object.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// An advisory lock on `path` (made when absent), held while the object lives. A file that is there
/// need not be writable.
class FileLock {
 public:
  /// Waits for the lock; with `wait` false, `held()` tells whether it was free.
  explicit FileLock(const fs::path& path, bool wait = true);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  bool held() const { return held_; }

 private:
  int fd_ = -1;
  bool held_ = false;
};

/// Where corpora and tokenizers are kept: $SUBLAB_CACHE, else ~/.cache/sublab.
fs::path cache_folder();

}  // namespace sublab
