/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before everything else in what the search of interleave.h runs. Compilers write copies
 * of known size out as plain moves that -fsanitize=thread does not tell of: here they are calls.
 */
#ifndef INLAY_TESTS_RACE_INSTRUMENT_H
#define INLAY_TESTS_RACE_INSTRUMENT_H

#include <string.h>

#include "mutation.h"

void *interleave_memcpy(void *to, const void *from, size_t len);
void *interleave_memset(void *to, int value, size_t len);

#define memcpy(to, from, len)		 interleave_memcpy((to), (from), (len))
#define memset(to, value, len)		 interleave_memset((to), (value), (len))
#define __builtin_memcpy(to, from, len)	 interleave_memcpy((to), (from), (len))
#define __builtin_memset(to, value, len) interleave_memset((to), (value), (len))

#endif
