/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The named reasons of inlay_reasons.def as an enum, their texts, and what to do about them
 * (invariant 5).
 */
#ifndef INLAY_REASONS_H
#define INLAY_REASONS_H

#include "inlay_types.h"

enum inlay_reason {
#define REASON(name, text, advice) INLAY_REASON_##name,
#include "inlay_reasons.def"
#undef REASON
	INLAY_N_REASONS
};

/* One counter a reason. Each set has one writer; others read it by inlay_load_u64(). */
struct inlay_reason_counters {
	__u64 count[INLAY_N_REASONS];
};

#ifndef __bpf__
/* "NO_SA"; "?" for no reason of ours. */
INLAY_INLINE const char *inlay_reason_name(__u32 reason)
{
	static const char *const names[] = {
#define REASON(name, text, advice) #name,
#include "inlay_reasons.def"
#undef REASON
	};

	return reason < INLAY_N_REASONS ? names[reason] : "?";
}

INLAY_INLINE const char *inlay_reason_text(__u32 reason)
{
	static const char *const texts[] = {
#define REASON(name, text, advice) text,
#include "inlay_reasons.def"
#undef REASON
	};

	return reason < INLAY_N_REASONS ? texts[reason] : "unknown reason";
}

/* What a person can do about it: a sentence. */
INLAY_INLINE const char *inlay_reason_advice(__u32 reason)
{
	static const char *const advice_for[] = {
#define REASON(name, text, advice) advice,
#include "inlay_reasons.def"
#undef REASON
	};

	return reason < INLAY_N_REASONS ? advice_for[reason] : "Report it as a defect of inlay.";
}
#endif

#endif
