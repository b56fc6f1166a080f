/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The security associations of provider `local`: their table, their keys by phase, their limits.
 * Private to offload/. Everything is under inlay_local.lock.
 */
#ifndef INLAY_OFFLOAD_LOCAL_SA_H
#define INLAY_OFFLOAD_LOCAL_SA_H

#include <pthread.h>

#include "cid_table.h"
#include "list.h"
#include "pn_window.h"
#include "protection.h"
#include "provider.h"
#include "secure.h"

/* CIDs of one SA: eight in force, and as many being retired. */
#define INLAY_SA_CIDS 16

enum local_phase_index {
	PHASE_OLD,
	PHASE_CURRENT,
	PHASE_NEXT, /* receive only */
	N_PHASES,
};

/* One key phase. Without a key there is none. */
struct local_phase {
	struct inlay_packet_key *key; /* locked memory */
	__u64 sealed;		      /* packets sealed under it */
	__u64 lowest;		      /* receive: lowest number opened; UINT64_MAX: none */
};

/* What sealing looks at stands first, so that it is on few lines of the cache. */
struct local_sa {
	__u32 number;
	enum inlay_direction direction;
	enum inlay_cipher cipher;
	bool phase_bit; /* of PHASE_CURRENT */
	__u16 n_cids;
	__u16 n_remotes;
	__u64 first_pn; /* transmit: PHASE_CURRENT seals from here on */
	void *hp;	/* locked memory */
	__u64 soft_limit, hard_limit;
	struct inlay_path path;
	struct local_phase phases[N_PHASES];
	struct inlay_sa_stats stats;
	struct inlay_cid cids[INLAY_SA_CIDS];
	struct inlay_pn_window window;	 /* transmit */
	struct inlay_addr remote_before; /* transmit: of packets under way since set_path() */
	struct inlay_addr remotes[INLAY_PROVIDER_REMOTES]; /* transmit: of remote_add() */
	__u64 expected;		      /* receive: largest number opened, plus one */
	struct inlay_list event_node; /* in inlay_local.events, if any is pending */
	__u8 pending;		      /* bit n: event kind n */
};

struct local_slot {
	struct local_sa *sa; /* NULL: free */
	__u16 generation;    /* of |sa|, or of the next one here */
};

/* A payload that several items of a burst share, with room for the prefix of each in turn. */
struct local_stage {
	__u8 prefix[INLAY_SEAL_PREFIX];
	__u8 payload[INLAY_FRAME_MAX];
	__u8 pad[64]; /* so that the same part of two is not on the same lines of the cache */
};

struct inlay_local {
	struct inlay_provider base;
	pthread_mutex_t lock;
	struct local_stage *stages; /* INLAY_AEAD_BURST / 2 */
	struct inlay_aead aead;
	struct inlay_secure_pool keys; /* struct inlay_packet_key */
	struct inlay_secure_pool hps;  /* header protection contexts */
	struct inlay_cid_table cids;
	struct local_slot *slots;
	/* Free slots, used in turn, so that a number comes back as late as possible. */
	__u32 *free_numbers;
	__u32 free_head, n_free;
	__u32 max_sa;
	struct inlay_list events;
};

static inline struct inlay_local *inlay_local_of(struct inlay_provider *provider)
{
	return (struct inlay_local *)provider;
}

/* NULL: unknown, gone or stale. */
struct local_sa *inlay_local_sa_lookup(struct inlay_local *l, struct inlay_sa_ref ref);
/* 0; what sa_add() returns. */
int inlay_local_sa_new(struct inlay_local *l, const struct inlay_sa_params *params,
		       struct inlay_sa_ref *ret_ref);
/* Zeroes its keys; its generation is over. */
void inlay_local_sa_free(struct inlay_local *l, struct local_sa *sa);

int inlay_local_sa_cid_add(struct inlay_local *l, struct local_sa *sa, const struct inlay_cid *cid);
int inlay_local_sa_cid_del(struct inlay_local *l, struct local_sa *sa, const struct inlay_cid *cid);
int inlay_local_sa_set_path(struct inlay_local *l, struct local_sa *sa,
			    const struct inlay_path *path);
int inlay_local_sa_remote_add(struct local_sa *sa, const struct inlay_addr *remote);
int inlay_local_sa_remote_del(struct local_sa *sa, const struct inlay_addr *remote);
bool inlay_local_sa_has_remote(const struct local_sa *sa, const struct inlay_addr *remote);
bool inlay_local_sa_has_cid(const struct local_sa *sa, const __u8 *cid, size_t len);

int inlay_local_sa_next_phase(struct inlay_local *l, struct local_sa *sa, __u64 first_pn,
			      const struct inlay_keys *keys);
void inlay_local_sa_drop_phase(struct inlay_local *l, struct local_sa *sa,
			       enum local_phase_index which);

void inlay_local_sa_raise(struct inlay_local *l, struct local_sa *sa,
			  enum inlay_provider_event_kind kind);

size_t inlay_local_open(struct inlay_provider *p, struct inlay_open_item *items, size_t n);
size_t inlay_local_seal(struct inlay_provider *p, struct inlay_seal_item *items, size_t n);

#endif
