// Fills models from safetensors files and writes them; names that other programs vary.
#include "models/interchange/tensors.h"

#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/safetensors.h"

namespace sublab {
namespace {

std::string dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return "F64";
    case at::kFloat:
      return "F32";
    case at::kHalf:
      return "F16";
    case at::kBFloat16:
      return "BF16";
    default:
      return "I64";
  }
}

at::ScalarType scalar_type(const std::string& dtype, const std::string& where) {
  if (dtype == "F64") return at::kDouble;
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "BF16") return at::kBFloat16;
  throw UserError(where, "has dtype " + dtype + "; weights are F64, F32, F16 or BF16");
}

std::string shape_text(at::IntArrayRef shape) {
  std::string out = "[";
  for (const int64_t size : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(size);
  return out + "]";
}

constexpr const char* kHead = "lm_head.weight";
constexpr const char* kEmbedding = "model.embed_tokens.weight";
/// Of a tensor's name in transformers' LlamaForCausalLM; its base class LlamaModel writes none.
const std::string kPrefix = "model.";

/// The output and the input embedding of a folder, where it stores them.
struct StoredHead {
  explicit StoredHead(const fs::path& folder) {
    for (const fs::path& path : safetensors_files(folder)) {
      files.emplace_back(path);
      for (const auto& [name, bytes] : files.back().tensors()) {
        if (name == kHead) head = bytes;
        if (name == kEmbedding || kPrefix + name == kEmbedding) embedding = bytes;
      }
    }
  }
  std::vector<SafetensorsFile> files;  ///< whose memory the others look into
  std::optional<TensorBytes> head, embedding;
};

at::Tensor stack(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

at::Tensor read_tensor(const std::string& where, const TensorBytes& from,
                       const std::vector<at::Tensor>& parts) {
  std::vector<int64_t> wanted = parts[0].sizes().vec();
  for (size_t i = 1; i < parts.size(); ++i) wanted[0] += parts[i].size(0);
  if (from.shape != wanted)
    throw UserError(where, "has shape " + shape_text(from.shape) + ", the configuration wants " +
                               shape_text(wanted));
  const bool whole = parts[0].scalar_type() == at::kLong;
  if (whole && from.dtype != "I64")
    throw UserError(where, "has dtype " + from.dtype + "; it is I64");
  at::Tensor read = at::empty(from.shape, whole ? at::kLong : scalar_type(from.dtype, where));
  if (!from.bytes.empty()) std::memcpy(read.data_ptr(), from.bytes.data(), from.bytes.size());
  if (!read.isfinite().all().item<bool>()) throw UserError(where, "holds NaN or infinity");
  return read;
}

void fill(const std::vector<at::Tensor>& parts, const at::Tensor& read) {
  at::NoGradGuard no_grad;
  int64_t begin = 0;
  for (at::Tensor part : parts) {
    if (parts.size() == 1) {
      part.copy_(read);
    } else {
      part.copy_(read.narrow(0, begin, part.size(0)));
      begin += part.size(0);
    }
  }
}

void check_derived(const std::string& where, const StoredTensor& tensor, const at::Tensor& read) {
  constexpr double kRelative = 1e-6;  // a last bit in which two programs may differ
  const at::Tensor expected = stack(tensor.parts).detach().to(at::kDouble).cpu();
  if (!at::allclose(read.to(at::kDouble), expected, kRelative, 0))
    throw UserError(where, "is not " + tensor.derived);
}

using Ignored = std::function<bool(const std::string& name, const TensorBytes& tensor)>;
/// The name under which a tensor of a file is wanted.
using Renamed = std::function<std::string(const std::string& name)>;

void read_all(const fs::path& folder, const std::vector<StoredTensor>& tensors,
              const Ignored& ignored, const Renamed& renamed) {
  std::map<std::string, const StoredTensor*> wanted;
  for (const StoredTensor& tensor : tensors) wanted[tensor.name] = &tensor;
  std::set<std::string> seen;
  std::vector<std::function<void()>> checks;  // when all else is read
  for (const fs::path& path : safetensors_files(folder)) {
    const SafetensorsFile file(path);
    for (const auto& [name, bytes] : file.tensors()) {
      const std::string where = path.string() + ": " + name;
      const auto it = wanted.find(renamed(name));
      if (it == wanted.end()) {
        if (ignored(name, bytes)) continue;
        throw UserError(where, "is not a tensor of this configuration");
      }
      if (!seen.insert(it->first).second) throw UserError(where, "stands there twice");
      const StoredTensor& tensor = *it->second;
      const at::Tensor read = read_tensor(where, bytes, tensor.parts);
      if (tensor.derived.empty())
        fill(tensor.parts, read);
      else
        checks.push_back([where, &tensor, read] { check_derived(where, tensor, read); });
    }
  }
  for (const auto& [name, tensor] : wanted)
    if (tensor->derived.empty() && !seen.count(name))
      throw UserError(folder.string(), "has no tensor " + name);
  for (const auto& check : checks) check();
}

}  // namespace

std::vector<StoredTensor> own_tensors(const LanguageModel& model) {
  std::vector<StoredTensor> out;
  for (const Parameter& parameter : model.parameters())
    out.push_back({parameter.name, {parameter.tensor}, ""});
  for (const Buffer& buffer : model.buffers()) out.push_back({buffer.name, {buffer.tensor}, ""});
  return out;
}

void write_tensors(const fs::path& path, const std::vector<StoredTensor>& tensors,
                   const std::string& dtype) {
  std::map<std::string, TensorBytes> bytes;
  std::vector<at::Tensor> alive;
  for (const StoredTensor& tensor : tensors) {
    alive.push_back(stack(tensor.parts).detach().cpu().contiguous());
    if (!dtype.empty() && tensor.derived.empty() && alive.back().is_floating_point()) {
      const at::Tensor narrow = alive.back().to(scalar_type(dtype, path.string()));
      if (narrow.to(alive.back().scalar_type()).equal(alive.back())) alive.back() = narrow;
    }
    const at::Tensor& t = alive.back();
    bytes[tensor.name] = {dtype_name(t.scalar_type()),
                          t.sizes().vec(),
                          {static_cast<const uint8_t*>(t.const_data_ptr()), t.nbytes()}};
  }
  write_safetensors(path, bytes, {{"format", "pt"}});
}

void read_tensors(const fs::path& folder, const std::vector<StoredTensor>& tensors) {
  read_all(
      folder, tensors, [](const std::string&, const TensorBytes&) { return false; },
      [](const std::string& name) { return name; });
}

void load_weights(const fs::path& folder, LanguageModel& model) {
  const auto tensors = own_tensors(model);
  std::set<std::string> wanted;
  for (const StoredTensor& tensor : tensors) wanted.insert(tensor.name);
  const StoredHead stored(folder);
  const bool head_alone = !wanted.count(kHead) && stored.head && !stored.embedding;
  read_all(
      folder, tensors,
      [&](const std::string& name, const TensorBytes& tensor) {
        // Older converters wrote the frequencies, and a tied head may be written twice.
        return name.ends_with("rotary_emb.inv_freq") ||
               (name == kHead && tensor.shape == model.head_weight().sizes().vec());
      },
      [&](const std::string& name) {
        if (head_alone && name == kHead) return std::string(kEmbedding);
        const std::string within_causal_lm = kPrefix + name;
        return !wanted.count(name) && wanted.count(within_causal_lm) ? within_causal_lm : name;
      });
}

bool stores_another_head(const fs::path& folder) {
  const StoredHead stored(folder);
  if (!stored.head || !stored.embedding) return false;
  if (stored.head->shape != stored.embedding->shape) return true;
  const auto read = [&](const TensorBytes& bytes) {
    const at::Tensor out = at::empty(bytes.shape, scalar_type(bytes.dtype, folder.string()));
    if (!bytes.bytes.empty()) std::memcpy(out.data_ptr(), bytes.bytes.data(), bytes.bytes.size());
    return out.to(at::kDouble);
  };
  return !read(*stored.head).equal(read(*stored.embedding));
}

std::string stored_dtype(const fs::path& folder) {
  std::set<std::string> dtypes;
  for (const fs::path& path : safetensors_files(folder)) {
    const SafetensorsFile file(path);
    for (const auto& [name, bytes] : file.tensors())
      if (!name.ends_with(".inv_freq")) dtypes.insert(bytes.dtype);
  }
  return dtypes.size() == 1 ? *dtypes.begin() : "";
}

std::set<std::string> copy_shared_weights(const LanguageModel& from, LanguageModel& to,
                                          const std::string& where) {
  at::NoGradGuard no_grad;
  const auto tensors = [](const LanguageModel& model) {
    std::map<std::string, at::Tensor> out;
    for (const Parameter& parameter : model.parameters()) out[parameter.name] = parameter.tensor;
    for (const Buffer& buffer : model.buffers()) out[buffer.name] = buffer.tensor;
    return out;
  };
  std::set<std::string> missing;
  const auto source = tensors(from), target = tensors(to);
  for (const auto& [name, tensor] : source) {
    const auto it = target.find(name);
    if (it == target.end())
      throw UserError(where, "has a tensor " + name + " that this configuration has not");
    if (it->second.sizes() != tensor.sizes())
      throw UserError(where + ": " + name, "has shape " + shape_text(tensor.sizes()) +
                                               ", the configuration wants " +
                                               shape_text(it->second.sizes()));
    at::Tensor(it->second).copy_(tensor);
  }
  for (const auto& [name, tensor] : target)
    if (!source.count(name)) missing.insert(name);
  return missing;
}

void convert_model(LanguageModel& model, at::ScalarType dtype) {
  for (Parameter& parameter : model.parameters()) {
    const bool trained = parameter.tensor.requires_grad();
    parameter.tensor.set_requires_grad(false);
    parameter.tensor.set_data(parameter.tensor.to(dtype));
    parameter.tensor.set_requires_grad(trained);
  }
}

}  // namespace sublab
