// Attention across rates, and the shortening and upsampling that are made of it.
#include "baselines/architectures/resampling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/kernels/decode_attention.h"
#include "models/transfer.h"

namespace sublab::resampling {
namespace {

/// [n, H, K] of one row, or [B, T, H, K], with heads in front of tokens.
at::Tensor heads_first(const at::Tensor& x) { return x.transpose(-3, -2); }

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const std::vector<int64_t>& seen, int64_t begin) {
  const int64_t n = q.size(-3), t = k.size(-3);
  const at::Tensor counts =
      at::tensor(std::vector<int64_t>(seen.begin() + begin, seen.begin() + begin + n), at::kLong);
  const at::Tensor visible = at::arange(t).unsqueeze(0).lt(counts.unsqueeze(1));  // [n, t]
  const int64_t more = 4 - q.dim();  // rows that are not there
  const auto four = [&](const at::Tensor& x) { return more ? x.unsqueeze(0) : x; };
  const at::Tensor out = at::scaled_dot_product_attention(
      four(heads_first(q)), four(heads_first(k)), four(heads_first(v)),
      sent_to(q.device(), visible), 0.0, false, std::nullopt, q.size(-2) != k.size(-2));
  return heads_first(more ? out.squeeze(0) : out);
}

bool begin_here(const Rows& rows) {
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    if (rows.start(b) > 0) return false;
  return true;
}

}  // namespace

RateAttention::RateAttention(const std::string& name, const BlockConfig& config,
                             const Initial& initial)
    : config_(config),
      q_(name + ".q_proj", config.d_model, config.q_width(), initial,
         {.bias = config.attention_bias, .std_dev = config.init_std}),
      k_(name + ".k_proj", config.d_model, config.kv_width(), initial,
         {.bias = config.attention_bias, .std_dev = config.init_std}),
      v_(name + ".v_proj", config.d_model, config.kv_width(), initial,
         {.bias = config.attention_bias, .std_dev = config.init_std}),
      o_(name + ".o_proj", config.q_width(), config.d_model, initial,
         {.bias = config.attention_bias,
          .std_dev = config.init_std,
          .scale = config.residual_scale()}) {}

at::Tensor RateAttention::whole_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                     const Rows& queries, const Rows& keys,
                                     const std::vector<int64_t>& seen, bool alike) const {
  const int64_t n = queries.equal_length(), t = keys.equal_length();
  if (alike && n > 0 && t > 0) {
    const auto by_row = [&](const at::Tensor& x, int64_t length) {
      return x.view({queries.n_rows(), length, x.size(1), x.size(2)});
    };
    return attend(by_row(q, n), by_row(k, t), by_row(v, t), seen, 0).flatten(0, 1);
  }
  std::vector<at::Tensor> out;
  for (int64_t b = 0; b < queries.n_rows(); ++b) {
    if (queries.length(b) == 0) continue;
    const auto of = [b](const at::Tensor& x, const Rows& rows) {
      return x.slice(0, rows.begin(b), rows.begin(b) + rows.length(b));
    };
    out.push_back(attend(of(q, queries), of(k, keys), of(v, keys), seen, queries.begin(b)));
  }
  return at::cat(out);
}

at::Tensor RateAttention::operator()(const Side& queries, const Side& keys,
                                     const std::vector<int64_t>& seen, bool alike,
                                     FullKvCache* cache) const {
  const auto heads = [&](const at::Tensor& x, int64_t n) {
    return x.view({x.size(0), n, config_.head_dim});
  };
  at::Tensor k, v;
  if (keys.x.size(0) > 0) {
    const std::vector<at::Tensor> made = maps_of(keys.x, {&k_, &v_});
    k = keys.angles.rotated(heads(made[0], config_.n_kv_heads));
    v = heads(made[1], config_.n_kv_heads);
    if (cache) cache->append(k, v, keys.rows);
  }
  if (queries.x.size(0) == 0) return queries.x;
  const at::Tensor q = queries.angles.rotated(heads(q_(queries.x), config_.n_heads));
  at::Tensor out;
  if (!cache || (begin_here(queries.rows) && begin_here(keys.rows))) {
    out = whole_rows(q, k, v, queries.rows, keys.rows, seen, alike);
  } else {
    std::vector<VisibleTokens> visible;
    for (int64_t b = 0; b < queries.rows.n_rows(); ++b) {
      if (queries.rows.length(b) == 0) continue;
      const VisibleTokens all = cache->row(b);
      for (int64_t i = queries.rows.begin(b); i < queries.rows.begin(b) + queries.rows.length(b);
           ++i)
        visible.push_back({all.keys.slice(0, 0, seen[i]), all.values.slice(0, 0, seen[i])});
    }
    out = decode_attention(q, visible, 1 / std::sqrt(static_cast<double>(config_.head_dim)));
  }
  return o_(out.reshape({q.size(0), config_.q_width()}));
}

std::unique_ptr<FullKvCache> RateAttention::new_cache(int64_t n_rows,
                                                      int64_t expected_tokens) const {
  return std::make_unique<FullKvCache>(KvCacheShape{.n_rows = n_rows,
                                                    .expected_tokens = expected_tokens,
                                                    .n_kv_heads = config_.n_kv_heads,
                                                    .head_dim = config_.head_dim,
                                                    .options = q_.weight().options()});
}

void RateAttention::add_parameters(std::vector<Parameter>& out) const {
  for (const Linear* map : {&q_, &k_, &v_, &o_}) map->add_parameters(out);
}

void RateAttention::add_cost(const std::string& part, const LevelTokens& queries,
                             const LevelTokens& keys, double causal, double square, int64_t level,
                             const CostShape& of, Ledger& ledger) const {
  const double bytes = of.bytes_per_number;
  const auto d = static_cast<double>(config_.d_model),
             q_width = static_cast<double>(config_.q_width()),
             kv_width = static_cast<double>(config_.kv_width());
  const auto map = [&](const char* name, const LevelTokens& tokens, double out) {
    LedgerLine line = linear_cost(part + name, -1, level, tokens.n(), d, out, bytes);
    line.bytes *= tokens.reached;
    line.activation_bytes = tokens.n() * (d + out) * bytes;
    ledger.add(line);
  };
  map(".query", queries, q_width);
  map(".key_value", keys, 2 * kv_width);
  double held = 0;
  for (size_t b = 0; b < keys.tokens.size(); ++b) held += keys.tokens[b] + keys.past[b];
  ledger.add({.part = part + ".scores",
              .level = level,
              .tokens = queries.n(),
              .flops_causal = 4 * q_width * causal,
              .flops_square = 4 * q_width * square,
              .bytes = 2 * kv_width * bytes * (queries.reached * held + keys.n()),
              .activation_bytes = queries.n() * q_width * bytes,
              .cache_bytes = 2 * kv_width * bytes * held});
  map(".out", queries, q_width);
}

Memory Memory::fork(const std::vector<int64_t>& rows) const {
  const auto forked = [&](const std::unique_ptr<FullKvCache>& cache) {
    if (!cache) return std::unique_ptr<FullKvCache>();
    return std::unique_ptr<FullKvCache>(static_cast<FullKvCache*>(cache->fork(rows).release()));
  };
  return {groups.fork(rows), forked(shortening), forked(upsampling)};
}

int64_t Memory::n_bytes() const {
  int64_t sum = groups.n_bytes();
  for (const FullKvCache* cache : {shortening.get(), upsampling.get()})
    if (cache) sum += cache->n_bytes();
  return sum;
}

Rate::Attended::Attended(const std::string& name, const BlockConfig& config, const Initial& initial)
    : in_norm(name + ".input_norm", config.d_model, config.norm_epsilon, initial),
      query_norm(name + ".query_norm", config.d_model, config.norm_epsilon, initial),
      attention(name + ".attention", config, initial),
      mlp_norm(name + ".mlp_norm", config.d_model, config.norm_epsilon, initial),
      mlp(name + ".mlp", config, initial) {}

at::Tensor Rate::Attended::joined(const at::Tensor& s, const at::Tensor& attended) const {
  const auto [a, normed] = mlp_norm.of_sum(s, attended);
  return a + mlp(normed);
}

void Rate::Attended::add_parameters(std::vector<Parameter>& out) const {
  in_norm.add_parameters(out);
  query_norm.add_parameters(out);
  attention.add_parameters(out);
  mlp_norm.add_parameters(out);
  mlp.add_parameters(out);
}

Rate::Rate(const std::string& name, const RateConfig& rate, const BlockConfig& block,
           const Initial& initial)
    : rate_(rate),
      block_(block),
      norm_(name + ".norm", block.d_model, block.norm_epsilon, initial) {
  const LinearConfig map{.std_dev = block.init_std};
  if (rate.shortening == "linear")
    down_.emplace(name + ".shorten.linear", rate.k * block.d_model, block.d_model, initial, map);
  if (rate.shortening == "attention") shorten_.emplace(name + ".shorten", block, initial);
  if (slices())
    up_.emplace(name + ".upsample.linear", block.d_model, rate.k * block.d_model, initial, map);
  if (rate.upsampling == "attention") upsample_.emplace(name + ".upsample", block, initial);
}

at::Tensor Rate::shorten(const at::Tensor& x, const Pass& pass) const {
  const TokenGroups& groups = pass.groups;
  OpenGroups* memory = pass.memory ? &pass.memory->groups : nullptr;
  if (down_) return (*down_)(group_members(x, groups, memory).flatten(1));
  if (!shorten_) return group_means(x, groups, memory);
  const at::Tensor h = shorten_->in_norm(x), means = group_means(h, groups, memory);
  const at::Tensor s = means.size(0) > 0 ? shorten_->query_norm(means) : means;
  const at::Tensor attended = shorten_->attention(
      {s, *groups.rows, pass.group_angles}, {h, pass.rows, pass.angles}, groups.tokens_seen,
      rate_.fixed, pass.memory ? pass.memory->shortening.get() : nullptr);
  return means.size(0) > 0 ? shorten_->joined(s, attended) : means;
}

at::Tensor Rate::upsample(const at::Tensor& y, const at::Tensor& x, const Pass& pass) const {
  OpenGroups* memory = pass.memory ? &pass.memory->groups : nullptr;
  const auto plain = [&](const at::Tensor& of) {
    return up_ ? unfolded((*up_)(of), pass.groups, memory) : repeated(of, pass.groups, memory);
  };
  if (!upsample_) return plain(y);
  const at::Tensor h = y.size(0) > 0 ? upsample_->in_norm(y) : y;
  const at::Tensor s = x + upsample_->query_norm(plain(h));
  return upsample_->joined(
      s, upsample_->attention({s, pass.rows, pass.angles},
                              {h, *pass.groups.rows, pass.group_angles}, pass.groups.seen,
                              rate_.fixed, pass.memory ? pass.memory->upsampling.get() : nullptr));
}

Memory Rate::new_memory(int64_t n_rows, int64_t expected_tokens,
                        const at::TensorOptions& options) const {
  Memory out{OpenGroups(n_rows, rate_.fixed ? rate_.k : 0, block_.d_model, slices() ? rate_.k : 1,
                        options)};
  if (shorten_) out.shortening = shorten_->attention.new_cache(n_rows, expected_tokens);
  if (upsample_)
    out.upsampling = upsample_->attention.new_cache(n_rows, expected_tokens / rate_.k + 1);
  return out;
}

void Rate::add_parameters(std::vector<Parameter>& out) const {
  for (const auto* map : {&down_, &up_})
    if (*map) (*map)->add_parameters(out);
  for (const auto* part : {&shorten_, &upsample_})
    if (*part) (*part)->add_parameters(out);
  norm_.add_parameters(out);
}

void Rate::add_cost(const LevelTokens& fine, const LevelTokens& coarse, const CostShape& of,
                    Ledger& ledger) const {
  const double bytes = of.bytes_per_number, k = static_cast<double>(rate_.k);
  const auto d = static_cast<double>(block_.d_model);
  const double kept = Norm::kept_numbers(d, bytes, of.plain);
  const auto map = [&](const char* part, double in, double out) {
    LedgerLine line = linear_cost(part, -1, rate_.level, coarse.n(), in, out, bytes);
    line.bytes *= coarse.reached;
    line.activation_bytes = coarse.n() * (in + out) * bytes;
    ledger.add(line);
  };
  if (down_) map("shorten.linear", k * d, d);
  if (up_) map("upsample.linear", d, k * d);
  const auto floors = [k](double n) {  // the sum of floor(i / k) over i < n
    const double q = std::floor(n / k);
    return k * q * (q - 1) / 2 + q * (n - k * q);
  };
  double into = 0, into_all = 0, back = 0, back_all = 0;  // pairs of query and key
  for (size_t b = 0; b < fine.tokens.size(); ++b) {
    const double t = fine.tokens[b], past = fine.past[b], m = coarse.tokens[b],
                 groups = coarse.past[b];
    // Group j sees j k + 1 tokens, token i floor(i / k) + 1 groups.
    into += m * ((groups + (m - 1) / 2) * k + 1);
    into_all += m * (past + t);
    back += t < 1 ? t * (std::floor(past / k) + 1) : floors(past + t) - floors(past) + t;
    back_all += t * (groups + std::max(m, 1.0));
  }
  if (fine.single) {
    into = 0;
    for (size_t b = 0; b < fine.tokens.size(); ++b) into += coarse.tokens[b] * (fine.past[b] + 1);
    into_all = into;
  }
  if (shorten_) {
    shorten_->attention.add_cost("shorten", coarse, fine, into, into_all, rate_.level, of, ledger);
    PassShape mlp = coarse.shape(rate_.level, of);
    mlp.layer = -1;
    shorten_->mlp.add_cost(mlp, kept, ledger);
  }
  if (upsample_) {
    upsample_->attention.add_cost("upsample", fine, coarse, back, back_all, rate_.level, of,
                                  ledger);
    PassShape mlp = fine.shape(rate_.level - 1, of);
    mlp.layer = -1;
    upsample_->mlp.add_cost(mlp, kept, ledger);
  }
  ledger.add({.part = "resampling",
              .level = rate_.level,
              .tokens = coarse.n(),
              .activation_bytes = fine.n() * (kept + 2 * d) * bytes});
}

}  // namespace sublab::resampling
