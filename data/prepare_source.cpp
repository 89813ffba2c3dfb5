// Downloads with apt, unpacks with dpkg; no root needed.
#include "data/prepare_source.h"

#include <unistd.h>

#include <cstdlib>

#include "core/error.h"
#include "core/hints.h"
#include "data/corpus.h"

namespace sublab {
namespace {

std::string quoted(const std::string& text) { return "'" + text + "'"; }

/// Runs a shell command line without showing what it prints; true when it succeeded.
bool run_quietly(const std::string& command) {
  return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0;
}

fs::path first_with_ending(const fs::path& folder, const std::string& ending) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().string().ends_with(ending)) return entry.path();
  return {};
}

/// Downloads and unpacks `package` into `folder` and returns its version.
std::string unpack_package(const std::string& package, const fs::path& folder) {
  const std::string in_folder = "cd " + quoted(folder.string()) + " && ";
  if (!run_quietly("command -v apt-get && command -v dpkg"))
    throw UserError("corpus", "this machine has no apt to fetch " + package +
                                  " with; use your own text: " + command_name() +
                                  " corpus import PATH NAME");
  if (!run_quietly(in_folder + "apt-get download " + package))
    throw UserError("corpus", "apt-get could not download " + package +
                                  "; run once: sudo apt-get update (or check the network)");
  const fs::path archive = first_with_ending(folder, ".deb");
  if (archive.empty() || !run_quietly(in_folder + "dpkg -x " + quoted(archive.string()) + " ."))
    throw UserError("corpus", "dpkg could not unpack " + package);
  const std::string file = archive.filename().string();  // package_version_arch.deb
  const size_t begin = file.find('_') + 1;
  std::string version = file.substr(begin, file.rfind('_') - begin);
  const size_t escaped = version.find("%3a");
  if (escaped != std::string::npos) version.replace(escaped, 3, ":");
  return version;
}

}  // namespace

void prepare_source(const Source& source) {
  try {
    const CorpusManifest manifest = read_manifest(source.name);
    for (const Split split : kSplits) read_documents(source.name, split, [](std::string_view) {});
    return;
  } catch (const UserError&) {
    // Missing or damaged: made anew below.
  }
  make_writable_folder(cache_folder() / "corpora");
  std::string pattern = (cache_folder() / "unpack.XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw UserError(pattern, "cannot make this folder");
  const fs::path folder = pattern;
  try {
    CorpusManifest manifest;
    manifest.name = source.name;
    manifest.origin = "Debian package " + source.package;
    manifest.licence = source.licence;
    manifest.version = unpack_package(source.package, folder);
    write_corpus(manifest, [&](const AddDocument& add) { source.extract(folder, add); });
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    throw;
  }
  fs::remove_all(folder);
}

}  // namespace sublab
