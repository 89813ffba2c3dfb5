// The tasks over long contexts, each in a file of its own.
#pragma once

#include "data/tasks/context_task.h"

namespace sublab {

ContextTask passkey_context_task();
ContextTask needle_context_task();
ContextTask ruler_niah_single_context_task();
ContextTask ruler_niah_multikey_context_task();
ContextTask ruler_niah_multivalue_context_task();
ContextTask ruler_niah_multiquery_context_task();
ContextTask ruler_vt_context_task();
ContextTask ruler_cwe_context_task();
ContextTask ruler_fwe_context_task();

}  // namespace sublab
