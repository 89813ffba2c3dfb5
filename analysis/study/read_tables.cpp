// Reads arrays of sums with a key for each (analysis/study/read_tables.h).
#include "analysis/study/read_tables.h"

#include <cstring>
#include <optional>

#include "core/npz.h"
#include "core/schema/arrays.h"

namespace sublab {
namespace {

/// An array [n, columns] with a key for each of its n.
struct Keyed {
  std::vector<uint64_t> keys;
  std::vector<double> values;
};

std::optional<Keyed> read_keyed(const NpzFile& file, const fs::path& path, const char* sums_name,
                                const char* keys_name, size_t n_columns,
                                const std::string& evaluation) {
  const std::string of_sums = member_name(sums_name, evaluation),
                    of_keys = member_name(keys_name, evaluation);
  if (!file.contains(of_sums) || !file.contains(of_keys)) return std::nullopt;
  const NpyArray sums = file.read(of_sums), keys = file.read(of_keys);
  if (sums.dtype != "<f8" || sums.shape.size() != 2 ||
      sums.shape[1] != static_cast<int64_t>(n_columns) || keys.dtype != "<u8" ||
      keys.n_elements() != sums.shape[0])
    throw UserError(path.string(),
                    "its arrays of " + std::string(sums_name) + " do not fit together");
  Keyed out;
  out.keys.resize(static_cast<size_t>(keys.n_elements()));
  std::memcpy(out.keys.data(), keys.bytes.data(), keys.bytes.size());
  out.values = sums.as_doubles();
  return out;
}

}  // namespace

TrialTables read_tables(const fs::path& study_folder, const Record& record) {
  TrialTables out;
  const fs::path path = arrays_path(study_folder, record.id);
  if (!fs::exists(path)) return out;
  const NpzFile file(path);
  for (const RecordedEvaluation& evaluation : record.evaluations) {
    if (auto read = read_keyed(file, path, array::kDocuments, array::kDocumentKeys,
                               array::kDocumentColumns, evaluation.id)) {
      DocumentLossTable& table = out.losses[evaluation.id];
      table.keys = std::move(read->keys);
      for (size_t d = 0; d < table.keys.size(); ++d) {
        const double* row = &read->values[array::kDocumentColumns * d];
        table.sums.push_back({row[0], row[1]});
        table.bytes.push_back(row[2]);
      }
    }
    if (auto read = read_keyed(file, path, array::kAnswers, array::kAnswerKeys,
                               array::kAnswerColumns, evaluation.id)) {
      AnswerTable& table = out.answers[evaluation.id];
      table.keys = std::move(read->keys);
      for (size_t r = 0; r < table.keys.size(); ++r)
        table.rows.push_back({read->values[2 * r], read->values[2 * r + 1]});
    }
  }
  return out;
}

}  // namespace sublab
