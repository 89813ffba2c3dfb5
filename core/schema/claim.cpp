// What a claim may say, and reading it.
#include "core/schema/claim.h"

#include <algorithm>
#include <utility>

#include "core/schema/metrics.h"

namespace sublab {

const std::vector<std::string> kKindFields = {"architecture", "rope",      "positions",  "sampling",
                                              "execution",    "kv_policy", "compression"};

const std::vector<std::string> kProtocolFields = {
    // what is interchangeable: kKindFields
    "architecture", "rope", "positions", "sampling", "execution", "kv_policy", "compression",
    // what it is compared with, and what was timed
    "reference", "mode",
    // the model
    "structure", "retention", "scorer", "d_model", "n_layers", "n_heads", "d_ff", "vocab_size",
    "tokenizer", "model_size", "rope_factor", "segment_len", "budget", "update",
    // training and data
    "context", "train_context", "dataset", "tokens", "batch", "learning_rate", "dtype",
    // evaluation
    "stride", "shots", "depth", "decode_tokens",
    // the machine
    "device", "n_devices"};

namespace {

const std::vector<std::pair<std::string, ClaimKind>> kMetrics = {
    {"speedup_train", ClaimKind::ratio},
    {"speedup_prefill", ClaimKind::ratio},
    {"speedup_decode", ClaimKind::ratio},
    {"speedup_inference", ClaimKind::ratio},  // the source does not say: prefill or decode
    {"context_ratio", ClaimKind::ratio},
    {"communication_ratio", ClaimKind::ratio},
    {"memory_ratio", ClaimKind::ratio},
    {"compression_ratio", ClaimKind::ratio},
    {"cost_ratio", ClaimKind::ratio},
    {"peak_memory_saved_bytes", ClaimKind::difference},
    {"kv_cache_saved_bytes", ClaimKind::difference},
    {metric::kLossNats, ClaimKind::value},
    {metric::kPerplexity, ClaimKind::value},
    {metric::kBitsPerByte, ClaimKind::value},
    {metric::kSelectionGapNats, ClaimKind::value},
    {metric::kChoicesForetold, ClaimKind::value},
    {"train_loss_nats", ClaimKind::value},
    {"word_perplexity", ClaimKind::value},
    {"bits_per_character", ClaimKind::value},
    {"bits_per_dimension", ClaimKind::value},
    {"word_error_rate", ClaimKind::value},
    {"train_tokens_per_s", ClaimKind::value},
    {"prefill_tokens_per_s", ClaimKind::value},
    {"decode_tokens_per_s", ClaimKind::value},
    {"time_to_first_token_ms", ClaimKind::value},
    {"token_latency_ms", ClaimKind::value},
    {metric::kPeakMemoryBytes, ClaimKind::value},
    {"kv_cache_bytes", ClaimKind::value},
    {metric::kParams, ClaimKind::value},
    {metric::kParamsNonEmbedding, ClaimKind::value},
    {metric::kTrainFlopsPerToken, ClaimKind::value},
    {metric::kDecodeBytesPerToken, ClaimKind::value},
    {"hardware_utilisation", ClaimKind::value},
    {"parallel_efficiency", ClaimKind::value},
    {"flops_per_s", ClaimKind::value},
    {"max_context_tokens", ClaimKind::value},
};

void check_metric(const Claim& claim, const std::string& at) {
  if (claim_kind(claim.metric)) return;
  std::vector<std::string> names = {"<task>_accuracy", "<value>_difference"};
  for (const auto& [name, kind] : kMetrics) names.push_back(name);
  throw_unknown_name(at, "metric", claim.metric, names);
}

void check_protocol(const Claim& claim, const std::string& where) {
  const std::string at = where + "/protocol";
  if (!claim.protocol.is_object()) fields_detail::throw_type(at, "an object", claim.protocol);
  fields_detail::check_keys(claim.protocol, at, kProtocolFields);
  for (const auto& [key, value] : claim.protocol.items())
    if (!value.is_string() && !value.is_number() && !value.is_boolean())
      fields_detail::throw_type(at + "/" + key, "a number, a string, true or false", value);
  if (!claim.protocol.contains("architecture"))
    throw UserError(at, "lacks 'architecture': which model the claim is about");
  const json mode = claim.protocol.value("mode", json("unknown"));
  if (!mode.is_string()) fields_detail::throw_type(at + "/mode", "a string", mode);
  fields_detail::check_name(at + "/mode", mode.get<std::string>(),
                            one_of({"train", "prefill", "decode", "inference", "unknown"}));
  std::vector<std::string> names;
  for (const auto& [key, value] : claim.protocol.items()) names.push_back(key);
  for (size_t i = 0; i < claim.scale.size(); ++i)
    if (!claim.protocol.contains(claim.scale[i]))
      throw_unknown_name(where + "/scale/" + std::to_string(i), "field of this protocol",
                         claim.scale[i], names);
}

}  // namespace

std::optional<ClaimKind> claim_kind(const std::string& asked) {
  for (const auto& [name, kind] : kMetrics)
    if (name == asked) return kind;
  for (const std::string ending : {metric::kAccuracyEnding, "_f1", "_rouge", "_score"})
    if (asked.ends_with(ending) && asked.size() > ending.size()) return ClaimKind::value;
  if (metric::is_of_family(asked, metric::kKeptFraction)) return ClaimKind::value;
  const std::string difference = "_difference";
  if (asked.ends_with(difference) &&
      claim_kind(asked.substr(0, asked.size() - difference.size())) == ClaimKind::value)
    return ClaimKind::difference;
  return std::nullopt;
}

Claim read_claim(const json& given, const std::string& where) {
  Claim claim;
  read_fields(given, where, claim);
  for (const char* needed : {"claim", "source", "metric", "expected", "tolerance", "protocol"})
    if (!given.contains(needed)) throw UserError(where, "lacks '" + std::string(needed) + "'");
  check_metric(claim, where + "/metric");
  if (claim.tolerance.ratio.has_value() == claim.tolerance.absolute.has_value())
    throw UserError(where + "/tolerance", "says either 'ratio' or 'absolute'");
  if (claim.above && claim_kind(claim.metric) != ClaimKind::value)
    throw UserError(where + "/above", "has no effect: " + claim.metric +
                                          " is relative to a reference and has a direction");
  check_protocol(claim, where);
  if (!claim.conditions.is_object())
    fields_detail::throw_type(where + "/conditions", "an object", claim.conditions);
  return claim;
}

ClaimSet read_claims_file(const fs::path& path) {
  if (!fs::exists(path)) throw UserError(path.string(), "does not exist");
  const json given = parse_json(read_file(path), path.string());
  ClaimSet set{path.stem().string(), {}};
  if (!given.is_array()) fields_detail::throw_type(path.string() + ": ", "a list of claims", given);
  for (size_t i = 0; i < given.size(); ++i)
    set.claims.push_back(read_claim(given[i], path.string() + ": /" + std::to_string(i)));
  return set;
}

}  // namespace sublab
