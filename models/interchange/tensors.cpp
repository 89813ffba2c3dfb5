#include "models/interchange/tensors.h"

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

void assign(const std::string& where, const TensorBytes& from, at::Tensor to) {
  if (at::IntArrayRef(from.shape) != to.sizes())
    throw UserError(where, "has shape " + shape_text(from.shape) + ", the configuration wants " +
                               shape_text(to.sizes()));
  at::Tensor read = at::empty(from.shape, scalar_type(from.dtype, where));
  if (!from.bytes.empty()) std::memcpy(read.data_ptr(), from.bytes.data(), from.bytes.size());
  if (!read.isfinite().all().item<bool>()) throw UserError(where, "holds NaN or infinity");
  at::NoGradGuard no_grad;
  to.copy_(read);
}

}  // namespace

void save_weights(const fs::path& path, const LanguageModel& model) {
  std::map<std::string, TensorBytes> tensors;
  std::vector<at::Tensor> alive;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    alive.push_back(tensor.detach().cpu().contiguous());
    const at::Tensor& t = alive.back();
    tensors[name] = {dtype_name(t.scalar_type()),
                     t.sizes().vec(),
                     {static_cast<const uint8_t*>(t.const_data_ptr()), t.nbytes()}};
  };
  for (const Parameter& parameter : model.parameters()) add(parameter.name, parameter.tensor);
  for (const Buffer& buffer : model.buffers()) add(buffer.name, buffer.tensor);
  write_safetensors(path, tensors, {{"format", "pt"}});
}

void load_weights(const fs::path& folder, LanguageModel& model) {
  std::map<std::string, at::Tensor> wanted;
  for (const Parameter& parameter : model.parameters()) wanted[parameter.name] = parameter.tensor;
  for (const Buffer& buffer : model.buffers()) wanted[buffer.name] = buffer.tensor;
  std::set<std::string> seen;
  for (const fs::path& path : safetensors_files(folder)) {
    const SafetensorsFile file(path);
    for (const auto& [name, tensor] : file.tensors()) {
      if (name.ends_with("rotary_emb.inv_freq")) continue;  // older converters wrote it
      const auto it = wanted.find(name);
      const std::string where = path.string() + ": " + name;
      if (it == wanted.end()) {
        // A tied head may be written twice.
        if (name == "lm_head.weight" && tensor.shape == model.head_weight().sizes().vec()) continue;
        throw UserError(where, "is not a tensor of this configuration");
      }
      if (!seen.insert(name).second) throw UserError(where, "stands in two files");
      assign(where, tensor, it->second);
    }
  }
  for (const auto& [name, tensor] : wanted)
    if (!seen.count(name)) throw UserError(folder.string(), "has no tensor " + name);
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
