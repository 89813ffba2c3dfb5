// The coordinator: which worker does what, in turn.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/schema/measure_config.h"
#include "experiments/measure/cell.h"
#include "experiments/measure/memory_fit.h"

namespace sublab {

class Coordinator {
 public:
  /// All must outlive it. `device` is where the reference is measured, `stop` is asked before every
  /// round.
  Coordinator(const Plan& plan, const fs::path& folder, const std::vector<MeasuredModel>& models,
              at::Device device, const Calibration& rates, ProgressLine& progress,
              const std::function<bool()>& stop);

  /// Every mode, context and batch of the plan. Nothing when it was stopped.
  std::optional<std::vector<BenchMeasurement>> run();

 private:
  /// A process that serves one variant; null where it has ended.
  struct Slot {
    const MeasuredModel* model;
    std::string log;
    std::unique_ptr<BenchWorker> process;
  };
  /// Who is measured: a variant, or the reference once more.
  struct Subject {
    size_t slot;
    bool again;
  };

  bool stopped() const { return stop_ && stop_(); }
  void start_mode(const std::string& mode);
  bool reference_shares_process(const std::string& mode) const;
  std::vector<CellMemory> memory_of(const std::string& mode, int64_t context, int64_t batch) const;
  bool is_hopeless(const CellMemory& memory) const;
  RoundOrder order_of_cell(const std::string& mode, int64_t context, int64_t batch) const;

  std::optional<BenchMeasurement> measure(RoundOrder order);
  /// Rounds of every subject; empty when it was stopped.
  std::vector<SubjectRounds> try_cell(RoundOrder order, const std::function<void()>& while_waiting);
  std::vector<SubjectRounds> subjects_of(const RoundOrder& order) const;
  /// The reference's seconds of one pass, or of the first that ran.
  double warm_up(const RoundOrder& order, std::vector<SubjectRounds>& cell);
  /// Nothing where the memory ran out: then all subjects of that process are marked.
  std::optional<RoundResult> ask(size_t subject, const RoundOrder& order,
                                 std::vector<SubjectRounds>& cell,
                                 const std::function<void()>& while_waiting = {});
  void start(Slot& slot);
  void give_memory_back();

  const Plan& plan_;
  const fs::path& folder_;
  const std::vector<MeasuredModel>& models_;
  at::Device device_;
  const Calibration& rates_;
  ProgressLine& progress_;
  const std::function<bool()>& stop_;
  MeasureConfig config_;
  double total_bytes_;       ///< of the machine or the card; 0 = not known
  std::vector<Slot> slots_;  ///< of the mode that is measured
  std::vector<Subject> subjects_;
  size_t reference_ = 0;  ///< in models_
  double conditions_done_ = 0, condition_share_ = 1;
};

}  // namespace sublab
