// Weights between a model and safetensors files.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/files.h"
#include "models/language_model.h"

namespace sublab {

/// A tensor of a file, and what it is in a model.
struct StoredTensor {
  std::string name;
  std::vector<at::Tensor> parts;  ///< the model's, stacked in the file along the first dimension
  /// Not empty for a tensor that follows from the others: what it is. It is written, and may be
  /// absent; where a file has it, it must agree.
  std::string derived;
};

/// Writes `tensors`, durably; those that are not derived in `dtype` (such as "BF16") where that
/// loses nothing, the others and with "" all of them as they are.
void write_tensors(const fs::path& path, const std::vector<StoredTensor>& tensors,
                   const std::string& dtype = "");

/// Fills the parts of `tensors` from the files of `folder`, in their dtype. Throws UserError for
/// tensors that are missing, unexpected, of another shape or not finite, and for derived ones that
/// disagree.
void read_tensors(const fs::path& folder, const std::vector<StoredTensor>& tensors);

/// Parameters and buffers under their own names.
std::vector<StoredTensor> own_tensors(const LanguageModel& model);

/// Reads parameters and buffers under their own names, also without the "model." that a base model
/// of transformers leaves out; what older converters wrote beside them is passed over. A tied
/// embedding may be stored as lm_head.weight alone. Throws as read_tensors.
void load_weights(const fs::path& folder, LanguageModel& model);

/// Whether `folder` stores an lm_head.weight that differs from its embedding. transformers then
/// unties them, whatever tie_word_embeddings says.
bool stores_another_head(const fs::path& folder);

/// The dtype of all tensors in the files of `folder` but rotary frequencies, such as "BF16"; ""
/// where they differ.
std::string stored_dtype(const fs::path& folder);

/// Copies what two models have under the same name. Returns the names that `from` lacks; throws
/// UserError at `where` for tensors that `to` lacks or has in another shape.
std::set<std::string> copy_shared_weights(const LanguageModel& from, LanguageModel& to,
                                          const std::string& where);

/// Gives every parameter and fp buffer of the model another dtype, in place.
void convert_model(LanguageModel& model, at::ScalarType dtype);

}  // namespace sublab
