// Ranks of a group that are threads of this process.
#pragma once

#include <barrier>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "models/group.h"

namespace sublab {

/// Where the ranks of one group meet.
struct Meeting {
  explicit Meeting(int64_t size) : size(size), barrier(size), parts(size), inner(size) {}
  int64_t size;
  std::barrier<> barrier;
  std::vector<at::Tensor> parts;                // what each rank brought
  std::vector<std::shared_ptr<Meeting>> inner;  // of groups that are split off
};

class ThreadGroup : public Group {
 public:
  ThreadGroup(std::shared_ptr<Meeting> meeting, int64_t rank)
      : meeting_(std::move(meeting)), rank_(rank) {}
  int64_t rank() const override { return rank_; }
  int64_t size() const override { return meeting_->size; }
  void barrier() const override { meeting_->barrier.arrive_and_wait(); }

  void all_reduce_sum_(at::Tensor& tensor) const override {
    at::NoGradGuard no_grad;
    const auto parts = all(tensor);
    tensor.zero_();
    for (const at::Tensor& part : parts) tensor.add_(part);
  }
  void broadcast_(at::Tensor& tensor, int64_t root) const override {
    at::NoGradGuard no_grad;
    tensor.copy_(all(tensor)[root]);
  }
  at::Tensor all_gather(const at::Tensor& own) const override { return at::cat(all(own)); }
  at::Tensor all_to_all(const at::Tensor& pieces) const override {
    std::vector<at::Tensor> out;
    for (const at::Tensor& from : all(pieces)) out.push_back(from[rank_]);
    return at::stack(out);
  }
  at::Tensor exchange(const at::Tensor& own, int64_t, int64_t from) const override {
    return all(own)[from];
  }
  std::unique_ptr<Group> split(int64_t colour) const override {
    const auto colours = all(at::full({}, colour, at::kLong));
    int64_t size = 0, rank = 0, first = -1;
    for (int64_t r = 0; r < meeting_->size; ++r) {
      if (colours[r].item<int64_t>() != colour) continue;
      if (first < 0) first = r;
      rank += r < rank_;
      ++size;
    }
    if (first == rank_) meeting_->inner[rank_] = std::make_shared<Meeting>(size);
    barrier();
    return std::make_unique<ThreadGroup>(meeting_->inner[first], rank);
  }

 private:
  /// What every rank brings, in order of rank.
  std::vector<at::Tensor> all(const at::Tensor& own) const {
    meeting_->parts[rank_] = own.detach().clone();
    barrier();
    std::vector<at::Tensor> out = meeting_->parts;
    barrier();  // nobody brings the next before all have taken these
    return out;
  }

  std::shared_ptr<Meeting> meeting_;
  int64_t rank_;
};

/// Calls `body` on a thread per rank and waits for all. A rank that throws leaves the others
/// waiting, so it ends the program.
inline void on_ranks(int64_t size, const std::function<void(const Group& group)>& body) {
  const auto meeting = std::make_shared<Meeting>(size);
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&body, meeting, rank]() noexcept { body(ThreadGroup(meeting, rank)); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace sublab
