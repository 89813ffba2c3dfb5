#include "models/interchange/tensors.h"

#include <cstring>
#include <functional>
#include <map>
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
  at::Tensor read = at::empty(from.shape, scalar_type(from.dtype, where));
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

void read_all(const fs::path& folder, const std::vector<StoredTensor>& tensors,
              const Ignored& ignored) {
  std::map<std::string, const StoredTensor*> wanted;
  for (const StoredTensor& tensor : tensors) wanted[tensor.name] = &tensor;
  std::set<std::string> seen;
  std::vector<std::function<void()>> checks;  // when all else is read
  for (const fs::path& path : safetensors_files(folder)) {
    const SafetensorsFile file(path);
    for (const auto& [name, bytes] : file.tensors()) {
      const std::string where = path.string() + ": " + name;
      const auto it = wanted.find(name);
      if (it == wanted.end()) {
        if (ignored(name, bytes)) continue;
        throw UserError(where, "is not a tensor of this configuration");
      }
      if (!seen.insert(name).second) throw UserError(where, "stands in two files");
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

void write_tensors(const fs::path& path, const std::vector<StoredTensor>& tensors) {
  std::map<std::string, TensorBytes> bytes;
  std::vector<at::Tensor> alive;
  for (const StoredTensor& tensor : tensors) {
    alive.push_back(stack(tensor.parts).detach().cpu().contiguous());
    const at::Tensor& t = alive.back();
    bytes[tensor.name] = {dtype_name(t.scalar_type()),
                          t.sizes().vec(),
                          {static_cast<const uint8_t*>(t.const_data_ptr()), t.nbytes()}};
  }
  write_safetensors(path, bytes, {{"format", "pt"}});
}

void read_tensors(const fs::path& folder, const std::vector<StoredTensor>& tensors) {
  read_all(folder, tensors, [](const std::string&, const TensorBytes&) { return false; });
}

void load_weights(const fs::path& folder, LanguageModel& model) {
  read_all(folder, own_tensors(model), [&](const std::string& name, const TensorBytes& tensor) {
    // Older converters wrote the frequencies, and a tied head may be written twice.
    return name.ends_with("rotary_emb.inv_freq") ||
           (name == "lm_head.weight" && tensor.shape == model.head_weight().sizes().vec());
  });
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
