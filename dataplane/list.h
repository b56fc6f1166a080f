/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Circular doubly linked list, intrusive. The head is a node of its own; an empty list points at
 * itself. A node that is in no list is kept linked to itself, so that removing twice is harmless.
 */
#ifndef INLAY_DATAPLANE_LIST_H
#define INLAY_DATAPLANE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct inlay_list {
	struct inlay_list *next;
	struct inlay_list *prev;
};

/* The |type| whose |member| is |node|. */
#define inlay_list_entry(node, type, member)                                                       \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

#define inlay_list_for_each(node, head)                                                            \
	for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

/* |node| may be removed, or freed, within the body. */
#define inlay_list_for_each_safe(node, after, head)                                                \
	for ((node) = (head)->next, (after) = (node)->next; (node) != (head);                      \
	     (node) = (after), (after) = (node)->next)

static inline void inlay_list_init(struct inlay_list *node)
{
	node->next = node;
	node->prev = node;
}

static inline bool inlay_list_is_empty(const struct inlay_list *head)
{
	return head->next == head;
}

/* Before |at|; with the head as |at|: at the end. */
static inline void inlay_list_insert_before(struct inlay_list *at, struct inlay_list *node)
{
	node->next = at;
	node->prev = at->prev;
	at->prev->next = node;
	at->prev = node;
}

static inline void inlay_list_append(struct inlay_list *head, struct inlay_list *node)
{
	inlay_list_insert_before(head, node);
}

static inline void inlay_list_prepend(struct inlay_list *head, struct inlay_list *node)
{
	inlay_list_insert_before(head->next, node);
}

static inline void inlay_list_remove(struct inlay_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	inlay_list_init(node);
}

#endif
