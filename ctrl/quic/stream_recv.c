/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream_recv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 512 /* holes in what waits: a frame of one byte moves so many at most */

void inlay_stream_recv_init(struct inlay_stream_recv *r, __u64 window, struct inlay_budget *budget)
{
	memset(r, 0, sizeof(*r));
	inlay_flow_init(&r->flow, window);
	inlay_intervals_init(&r->waiting, RANGES_MAX);
	r->budget = budget;
}

static void free_page(struct inlay_stream_recv *r, __u32 i)
{
	if (!r->pages[i])
		return;
	free(r->pages[i]);
	r->pages[i] = NULL;
	inlay_budget_give(r->budget, INLAY_RECV_PAGE);
}

void inlay_stream_recv_drop(struct inlay_stream_recv *r)
{
	__u32 i;

	for (i = 0; i < r->n_pages; i++)
		free_page(r, i);
	inlay_budget_give(r->budget, r->room_pages * sizeof(*r->pages) +
					     r->room_ranges * sizeof(*r->waiting.ranges));
	r->room_ranges = 0;
	free(r->pages);
	r->pages = NULL;
	r->n_pages = 0;
	r->room_pages = 0;
	inlay_intervals_fini(&r->waiting);
}

void inlay_stream_recv_fini(struct inlay_stream_recv *r)
{
	inlay_stream_recv_drop(r);
}

enum inlay_quic_error inlay_stream_recv_check(const struct inlay_stream_recv *r, __u64 offset,
					      __u64 len, bool fin, __u64 *ret_rise)
{
	__u64 end = offset + len;

	/* RFC 9000 section 4.5. */
	if (r->has_final && (end > r->final_size || (fin && end != r->final_size)))
		return INLAY_QUIC_FINAL_SIZE_ERROR;
	if (fin && end < r->flow.received)
		return INLAY_QUIC_FINAL_SIZE_ERROR;
	*ret_rise = end > r->flow.received ? end - r->flow.received : 0;
	return inlay_flow_fits(&r->flow, *ret_rise) ? INLAY_QUIC_NO_ERROR
						    : INLAY_QUIC_FLOW_CONTROL_ERROR;
}

void inlay_stream_recv_note(struct inlay_stream_recv *r, __u64 offset, __u64 len, bool fin)
{
	__u64 end = offset + len;

	if (end > r->flow.received)
		r->flow.received = end;
	if (fin) {
		r->has_final = true;
		r->final_size = end;
	}
}

enum inlay_quic_error inlay_stream_recv_reset(struct inlay_stream_recv *r, bool at, __u64 code,
					      __u64 reliable)
{
	/* RESET_STREAM alone may come with changing codes: RFC 9000 does not forbid it. */
	if (r->reset && (at || r->reset_at) && code != r->reset_code)
		return INLAY_QUIC_STREAM_STATE_ERROR;
	/* It only ever falls; a higher one has been overtaken. */
	if (!r->reset || reliable < r->reliable)
		r->reliable = reliable;
	if (!r->reset)
		r->reset_code = code;
	r->reset = true;
	r->reset_at |= at;
	return INLAY_QUIC_NO_ERROR;
}

/* Makes pages[0] the page of |next| while nothing waits, and lets the array reach |last|. */
static int reach_page(struct inlay_stream_recv *r, __u64 last)
{
	__u64 want, room = r->room_pages ? r->room_pages : 8;
	size_t grown;
	void *p;

	if (r->n_pages == 0)
		r->first_page = r->next / INLAY_RECV_PAGE;
	want = last - r->first_page + 1;
	if (want > r->room_pages) {
		while (room < want)
			room *= 2;
		grown = (size_t)(room - r->room_pages) * sizeof(*r->pages);
		if (room > 1U << 30 || !inlay_budget_take(r->budget, grown))
			return -ENOBUFS;
		p = realloc(r->pages, room * sizeof(*r->pages));
		if (!p) {
			inlay_budget_give(r->budget, grown);
			return -ENOMEM;
		}
		r->pages = p;
		r->room_pages = (__u32)room;
	}
	while (r->n_pages < want)
		r->pages[r->n_pages++] = NULL;
	return 0;
}

static int fill_page(struct inlay_stream_recv *r, __u64 page, __u64 at, const __u8 *data,
		     size_t len)
{
	__u8 **slot = &r->pages[page - r->first_page];

	if (!*slot) {
		if (!inlay_budget_take(r->budget, INLAY_RECV_PAGE))
			return -ENOBUFS;
		*slot = malloc(INLAY_RECV_PAGE);
		if (!*slot) {
			inlay_budget_give(r->budget, INLAY_RECV_PAGE);
			return -ENOMEM;
		}
	}
	memcpy(*slot + at, data, len);
	return 0;
}

/* Bytes far apart cost ranges, and those are memory like pages. */
static int add_range(struct inlay_stream_recv *r, __u64 begin, __u64 end)
{
	__u32 more = r->waiting.room > 0 ? r->waiting.room : INLAY_INTERVALS_FIRST_ROOM;
	bool full = r->waiting.n == r->waiting.room;
	int err;

	if (full && !inlay_budget_take(r->budget, more * sizeof(*r->waiting.ranges)))
		return -ENOBUFS;
	err = inlay_intervals_add(&r->waiting, begin, end);
	if (full && r->waiting.room == r->room_ranges)
		inlay_budget_give(r->budget, more * sizeof(*r->waiting.ranges));
	r->room_ranges = r->waiting.room;
	return err;
}

int inlay_stream_recv_store(struct inlay_stream_recv *r, __u64 offset, const __u8 *data, __u64 len)
{
	int err;

	if (len == 0 || inlay_intervals_has(&r->waiting, offset, offset + len))
		return 0;
	err = reach_page(r, (offset + len - 1) / INLAY_RECV_PAGE);
	while (!err && len > 0) {
		__u64 at = offset % INLAY_RECV_PAGE;
		size_t n = INLAY_RECV_PAGE - at < len ? INLAY_RECV_PAGE - at : len;

		err = fill_page(r, offset / INLAY_RECV_PAGE, at, data, n);
		if (!err)
			err = add_range(r, offset, offset + n);
		offset += n;
		data += n;
		len -= n;
	}
	return err == -ENOSPC ? -ENOBUFS : err;
}

bool inlay_stream_recv_peek(const struct inlay_stream_recv *r, const __u8 **ret_data,
			    size_t *ret_len)
{
	__u64 at = r->next % INLAY_RECV_PAGE, n;
	struct inlay_quic_range range;

	if (!inlay_intervals_next(&r->waiting, r->next, &range) || range.begin > r->next)
		return false;
	n = range.end - r->next;
	*ret_len = n < INLAY_RECV_PAGE - at ? n : INLAY_RECV_PAGE - at;
	*ret_data = r->pages[r->next / INLAY_RECV_PAGE - r->first_page] + at;
	return true;
}

void inlay_stream_recv_advance(struct inlay_stream_recv *r, __u64 len)
{
	__u32 gone, i;
	__u64 page;

	r->next += len;
	inlay_intervals_remove_below(&r->waiting, r->next);
	if (inlay_intervals_is_empty(&r->waiting)) {
		inlay_stream_recv_drop(r);
		return;
	}
	page = r->next / INLAY_RECV_PAGE;
	if (page <= r->first_page)
		return;
	gone = page - r->first_page < r->n_pages ? (__u32)(page - r->first_page) : r->n_pages;
	for (i = 0; i < gone; i++)
		free_page(r, i);
	memmove(r->pages, r->pages + gone, (r->n_pages - gone) * sizeof(*r->pages));
	r->n_pages -= gone;
	r->first_page = page;
}
