// Content instead of names: what a study's corpora, tokenizers and checkpoints hold on this machine
// goes into its plan and into the ids of its trials (core/schema/plan_content.h).
#pragma once

#include "core/schema/plan.h"
#include "core/schema/trial_config.h"

namespace sublab {

/// Whether the text of this corpus stands on this machine.
bool is_prepared(const std::string& corpus);

/// Adds what the names of `data` stand for here. Corpora that are not prepared yet are left out,
/// and so is everything where no text is trained on.
void add_content(const DataConfig& data, PlanContent& content);

/// `data` as JSON with content in the place of names: what decides the training rows. A tokenizer
/// that is trained follows from its specification and the corpora.
json training_identity(const DataConfig& data, const PlanContent& content);

/// The text that `task`, resolved, evaluates on, by content; null where it reads none.
json evaluation_identity(const json& task, const DataConfig& data, const PlanContent& content);

/// Throws UserError when a name in `config` stands for something else here and now than it did when
/// the plan was made: the corpus was imported again, or another machine, whose packages are of
/// other versions, shares the folder.
void check_content(const PlanContent& planned, const TrialConfig& config);

}  // namespace sublab
