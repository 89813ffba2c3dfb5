// Weights between a model and safetensors files.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/files.h"
#include "models/language_model.h"

namespace sublab {

/// Writes parameters and buffers, durably.
void save_weights(const fs::path& path, const LanguageModel& model);

/// Fills parameters and buffers from the files of `folder`, in the model's dtype. Throws UserError
/// for tensors that are missing, unexpected or of another shape, and for weights that are not
/// finite.
void load_weights(const fs::path& folder, LanguageModel& model);

/// Copies what two models have under the same name. Returns the names that `from` lacks; throws
/// UserError at `where` for tensors that `to` lacks or has in another shape.
std::set<std::string> copy_shared_weights(const LanguageModel& from, LanguageModel& to,
                                          const std::string& where);

/// Gives every parameter and fp buffer of the model another dtype, in place.
void convert_model(LanguageModel& model, at::ScalarType dtype);

}  // namespace sublab
