/* SPDX-License-Identifier: Apache-2.0 */
/* Doubly linked lists through a member of what they hold. A head is an element linked to itself. */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

/* What holds the element. */
#define LIST_ENTRY(element, type, member) ((type *)((char *)(element)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_del(struct list *l) /* an element that is in no list may be deleted again */
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

static inline void list_push(struct list *head, struct list *l) /* at the end */
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void list_push_front(struct list *head, struct list *l)
{
	list_push(head->next, l);
}

#endif
