/* SPDX-License-Identifier: BSD-2-Clause */
/* Included before all of a forwarder whose mutant is chosen while it runs. */
#ifndef INLAY_TESTS_SIM_MUTANT_H
#define INLAY_TESTS_SIM_MUTANT_H

/* enum inlay_mutant */
extern int sim_mutant;

#endif
