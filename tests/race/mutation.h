/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before everything else, with INLAY_MUTATION defined as race_mutation: the forwarder then
 * has every mutant of bpf/forward/mutations.def in it, and a test chooses which one runs. 0: none.
 * Or as race_jitter(): then the forwarder also stops for a while now and then where it asks, which
 * is within each of its protocols.
 */
#ifndef INLAY_TESTS_RACE_MUTATION_H
#define INLAY_TESTS_RACE_MUTATION_H

extern int race_mutation;
/* What race_mutation is. */
int race_jitter(void);

#endif
