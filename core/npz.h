// Several arrays in one file: a zip archive of .npy files, as NumPy's savez_compressed leaves it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/npy.h"

namespace sublab {

/// Name, without ".npy", and array. A '/' in a name makes a folder of it inside the file.
using NpyMembers = std::map<std::string, NpyArray>;

/// Writes durably. Equal members give equal bytes: they stand in order of their names, deflated,
/// with one fixed time.
void write_npz(const fs::path& path, const NpyMembers& members);

/// Opened once, read member by member.
class NpzFile {
 public:
  /// Throws UserError when the file cannot be read or is no zip archive of .npy files.
  explicit NpzFile(const fs::path& path);
  ~NpzFile();
  NpzFile(const NpzFile&) = delete;
  NpzFile& operator=(const NpzFile&) = delete;

  /// In the order in which they stand in the file.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const;
  /// The member's .npy file as it is. Throws UserError when it is damaged or not there.
  std::string bytes(const std::string& name) const;
  NpyArray read(const std::string& name) const;

 private:
  struct Archive;
  std::string path_;
  std::unique_ptr<Archive> archive_;
  std::vector<std::string> names_;
};

/// Every member.
NpyMembers read_npz(const fs::path& path);

}  // namespace sublab
