// Zip archives of arrays, by libzip.
#include "core/npz.h"

#include <zip.h>

#include <algorithm>

#include "core/error.h"

namespace sublab {
namespace {

constexpr const char* kEnding = ".npy";
/// 1 January 1980, midnight: the first time that a zip archive can say.
constexpr uint16_t kDosTime = 0, kDosDate = 1 << 5 | 1;
constexpr uint32_t kHardestDeflation = 9;

std::string text_of(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

/// A broken invariant: nothing outside this process takes part in it.
void expect(bool done, zip_t* archive) {
  if (!done) throw std::logic_error(std::string("npz: ") + zip_strerror(archive));
}

/// The archive as bytes. libzip frees what it is given: `contents` must outlive the call alone.
std::string archive_bytes(const std::map<std::string, std::string>& contents) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* buffer = zip_source_buffer_create(nullptr, 0, 0, &error);
  if (!buffer) throw std::logic_error("npz: " + text_of(error));
  zip_t* archive = zip_open_from_source(buffer, ZIP_TRUNCATE, &error);
  if (!archive) throw std::logic_error("npz: " + text_of(error));
  zip_source_keep(buffer);  // closing the archive would free what it wrote
  for (const auto& [name, content] : contents) {
    zip_source_t* member = zip_source_buffer(archive, content.data(), content.size(), 0);
    const zip_int64_t added = zip_file_add(archive, (name + kEnding).c_str(), member, 0);
    expect(added >= 0, archive);
    const auto index = static_cast<zip_uint64_t>(added);
    expect(zip_set_file_compression(archive, index, ZIP_CM_DEFLATE, kHardestDeflation) == 0,
           archive);
    expect(zip_file_set_dostime(archive, index, kDosTime, kDosDate, 0) == 0, archive);
  }
  expect(zip_close(archive) == 0, archive);
  zip_stat_t stat;
  std::string out;
  bool whole = zip_source_open(buffer) == 0 && zip_source_stat(buffer, &stat) == 0;
  if (whole) {
    out.resize(stat.size);
    whole = zip_source_read(buffer, out.data(), out.size()) == static_cast<zip_int64_t>(out.size());
    zip_source_close(buffer);
  }
  zip_source_free(buffer);
  if (!whole) throw std::logic_error("npz: what was written cannot be read back");
  return out;
}

}  // namespace

void write_npz(const fs::path& path, const NpyMembers& members) {
  std::map<std::string, std::string> contents;
  for (const auto& [name, array] : members) contents[name] = npy_bytes(array);
  write_file_durably(path, archive_bytes(contents));
}

struct NpzFile::Archive {
  std::string bytes;
  zip_t* zip = nullptr;
  ~Archive() {
    if (zip) zip_discard(zip);
  }
};

NpzFile::NpzFile(const fs::path& path)
    : path_(path.string()), archive_(std::make_unique<Archive>()) {
  archive_->bytes = read_file(path);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source =
      zip_source_buffer_create(archive_->bytes.data(), archive_->bytes.size(), 0, &error);
  archive_->zip =
      source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : nullptr;
  if (!archive_->zip) {
    if (source) zip_source_free(source);
    throw UserError(path_, "damaged npz file: " + text_of(error));
  }
  const zip_int64_t n = zip_get_num_entries(archive_->zip, 0);
  for (zip_int64_t i = 0; i < n; ++i) {
    const char* given = zip_get_name(archive_->zip, static_cast<zip_uint64_t>(i), 0);
    std::string name = given ? given : "";
    if (!name.ends_with(kEnding) || name == kEnding)
      throw UserError(path_, "damaged npz file: holds '" + name + "', which is no array");
    name.resize(name.size() - std::string(kEnding).size());
    if (contains(name)) throw UserError(path_, "damaged npz file: holds '" + name + "' twice");
    names_.push_back(std::move(name));
  }
}

NpzFile::~NpzFile() = default;

bool NpzFile::contains(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::string NpzFile::bytes(const std::string& name) const {
  const std::string member = name + kEnding;
  zip_stat_t stat;
  if (zip_stat(archive_->zip, member.c_str(), 0, &stat) != 0)
    throw UserError(path_, "holds no " + member);
  // Deflation makes a thousandth at best; a damaged header may say anything.
  constexpr zip_uint64_t kMostRatio = 1100;
  if (stat.size > (stat.comp_size + 1) * kMostRatio)
    throw UserError(path_, member + ": is damaged");
  std::string out(stat.size, '\0');
  zip_file_t* file = zip_fopen(archive_->zip, member.c_str(), 0);
  const bool whole =
      file && zip_fread(file, out.data(), out.size()) == static_cast<zip_int64_t>(out.size());
  // Only a read behind the end holds the checksum against what was read.
  char behind = 0;
  const bool sound = whole && zip_fread(file, &behind, 1) == 0;
  if (file) zip_fclose(file);
  if (!sound) throw UserError(path_, member + ": is damaged");
  return out;
}

NpyArray NpzFile::read(const std::string& name) const {
  return parse_npy(bytes(name), path_ + ": " + name + kEnding);
}

NpyMembers read_npz(const fs::path& path) {
  const NpzFile file(path);
  NpyMembers out;
  for (const std::string& name : file.names()) out[name] = file.read(name);
  return out;
}

}  // namespace sublab
