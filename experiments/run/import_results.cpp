// Archives by the system's tar, looked at before and after they are unpacked (import_results.h).
#include "experiments/run/import_results.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/verify.h"
#include "core/error.h"
#include "core/process.h"
#include "core/schema/plan.h"
#include "core/work_folder.h"

namespace sublab {
namespace imports {
namespace {

/// A folder beside the results, which goes away with the object.
struct Staging {
  explicit Staging(const fs::path& into) : path(into / (".import-" + std::to_string(::getpid()))) {
    fs::remove_all(path);
    make_writable_folder(path);
  }
  ~Staging() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  fs::path path;
};

/// What tar prints, a line each.
std::vector<std::string> tar(std::vector<std::string> arguments, const fs::path& archive) {
  const WorkFolder work("sublab-import");
  arguments.insert(arguments.begin(), "tar");
  arguments.push_back("--file=" + fs::absolute(archive).string());
  const ExitState ended =
      run_program(arguments, (work.path / "log").string(), (work.path / "out").string());
  if (ended.code != 0 || ended.signal != 0) {
    const std::string said = read_file(work.path / "log");
    throw UserError(archive.string(),
                    "is no whole tar archive: " + said.substr(0, said.find('\n')));
  }
  std::vector<std::string> lines;
  std::istringstream in(read_file(work.path / "out"));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Below a folder gpu_NAME of the archive, and of plain characters.
bool is_safe(const std::string& name) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
  if (!name.starts_with("gpu_") || name.find_first_not_of(kPlain) != std::string::npos)
    return false;
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '/');)
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

void unpack(const fs::path& archive, const fs::path& to, std::set<std::string>& seen) {
  if (!fs::is_regular_file(archive)) throw UserError(archive.string(), "there is no such file");
  for (const std::string& line : tar({"--list", "--verbose"}, archive))
    if (!line.starts_with('-') && !line.starts_with('d'))
      throw UserError(archive.string(), "holds something that is no file and no folder: " + line);
  for (const std::string& name : tar({"--list"}, archive)) {
    if (!is_safe(name))
      throw UserError(archive.string(), "holds '" + name +
                                            "'; allowed are files below a folder gpu_NAME, in "
                                            "letters, digits, '.', '_' and '-'");
    if (!name.ends_with('/') && !seen.insert(name).second)
      throw UserError(archive.string(), "holds " + name + ", which came before");
  }
  tar({"--extract", "--no-same-owner", "--no-same-permissions", "--directory=" + to.string()},
      archive);
}

/// Made of the rest, by this program or another.
bool is_derived(const std::string& file) {
  return file.starts_with("report.") || file.starts_with("trials.") ||
         file.starts_with("figures/") || file.starts_with("checkpoints/") ||
         file.starts_with("work/");
}

/// Throws where the folder that is there holds a file that does not come again as it is.
void check_grows(const fs::path& there, const fs::path& here) {
  for (const auto& entry : fs::recursive_directory_iterator(there)) {
    const std::string file = entry.path().lexically_relative(there).string();
    if (!entry.is_regular_file() || is_derived(file)) continue;
    const bool again = fs::exists(here / file) && read_file(here / file) == read_file(entry);
    if (!again)
      throw UserError(there.string(), "is there with another " + file +
                                          "; move it away, or name another folder with --into");
  }
}

/// Holds the study against its raw data and writes the report anew.
void check_study(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_derived(entry.path().filename().string())) fs::remove_all(entry.path());
  const Verification found = verify_study(folder);
  if (found.problems.empty()) {
    write_file_durably(folder / "report.md", report_as("md", build_report(folder)));
    return;
  }
  throw UserError(folder.filename().string(),
                  "does not follow from its raw data: " + found.problems.front() +
                      (found.problems.size() > 1
                           ? " (and " + std::to_string(found.problems.size() - 1) + " more)"
                           : ""));
}

int64_t n_files(const fs::path& folder) {
  return fs::is_directory(folder)
             ? std::distance(fs::directory_iterator(folder), fs::directory_iterator())
             : 0;
}

ImportedFolder examine(const fs::path& folder, const fs::path& into) {
  ImportedFolder out{.path = into / folder.filename()};
  out.is_study = fs::exists(folder / "plan.json");
  if (!out.is_study && fs::exists(folder / "records"))
    throw UserError(folder.filename().string(), "has records and no plan.json");
  if (out.is_study) {
    check_study(folder);
    out.records = n_files(folder / "records");
    out.planned = static_cast<int64_t>(read_plan(folder).trials.size());
    out.has_bench = n_files(folder / "bench") > 0;
  }
  out.was_there = fs::exists(out.path);
  if (!out.was_there) return out;
  if (out.is_study) {
    check_grows(out.path, folder);
    return out;
  }
  for (const fs::path& entry : folder_entries(folder))  // logs of other runs stay beside them
    if (fs::exists(out.path / entry.filename()))
      throw UserError((out.path / entry.filename()).string(), "is there already; move it away");
  return out;
}

/// Puts `from` in the place of `to`.
void replace(const fs::path& from, const fs::path& to, const fs::path& aside) {
  if (fs::exists(to)) fs::rename(to, aside);
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return;
  if (fs::exists(aside)) fs::rename(aside, to);
  throw UserError(to.string(), "cannot be written: " + error.message());
}

void add_logs(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const fs::path& entry : folder_entries(from)) fs::rename(entry, to / entry.filename());
}

}  // namespace
}  // namespace imports

std::vector<ImportedFolder> import_results(const std::vector<fs::path>& archives,
                                           const fs::path& into) {
  using namespace imports;
  const Staging staging(into);
  std::set<std::string> seen;
  for (const fs::path& archive : archives) unpack(archive, staging.path, seen);
  std::vector<ImportedFolder> out;
  for (const fs::path& folder : folder_entries(staging.path)) {
    if (!fs::is_directory(folder))
      throw UserError(folder.filename().string(), "is a file; results are folders gpu_NAME");
    out.push_back(examine(folder, into));
  }
  if (out.empty()) throw UserError(archives.front().string(), "holds nothing");
  for (const ImportedFolder& folder : out) {
    const fs::path from = staging.path / folder.path.filename();
    if (folder.is_study)
      replace(from, folder.path, staging.path / (folder.path.filename().string() + ".before"));
    else
      add_logs(from, folder.path);
  }
  return out;
}

}  // namespace sublab
