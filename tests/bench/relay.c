/* The floor under a proxy on one thread, beside another bare loop or any upstream: an epoll loop that accepts, dials
 * the upstream once for each client, and passes bytes on both ways without looking at them. Edge-triggered, one read
 * and one write for what has come, as calmd.
 *
 *   relay PORT UPSTREAM-PORT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 65536, EVENTS = 256 };

/* One side of a pair: its socket, and what it did not take of what the other side said. */
struct side {
    int socket;
    struct side *other;
    char *unsent;
    size_t start, end;
    /* Something may be there to read. */
    int readable;
    int over;
};

static int poll_fd;

static void end(struct side *side)
{
    if (side->over)
        return;
    side->over = 1;
    close(side->socket);
    end(side->other);
}

/* Writes what waits. Returns 0 while some still waits, or if the pair is over. */
static int flush(struct side *side)
{
    while (side->start < side->end) {
        ssize_t len = send(side->socket, side->unsent + side->start, side->end - side->start, MSG_NOSIGNAL);
        if (len < 0) {
            if (errno != EAGAIN)
                end(side);
            return 0;
        }
        side->start += len;
    }
    return 1;
}

/* Passes on what has come, as long as the other side takes it. */
static void pass_on(struct side *from)
{
    static char buffer[READ];
    struct side *to = from->other;
    while (!from->over && from->readable && flush(to)) {
        ssize_t len = recv(from->socket, buffer, sizeof buffer, 0);
        if (len < 0 && errno == EAGAIN)
            from->readable = 0;
        else if (len <= 0)
            end(from);
        if (len <= 0)
            return;
        /* The next bytes come later, and epoll tells of them. */
        if (len < READ)
            from->readable = 0;
        ssize_t sent = send(to->socket, buffer, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            end(from);
            return;
        }
        if (sent < 0)
            sent = 0;
        if (sent < len) {
            if (!to->unsent)
                to->unsent = malloc(READ);
            memcpy(to->unsent, buffer + sent, len - sent);
            to->start = 0;
            to->end = len - sent;
        }
    }
}

static void add(struct side *side)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = side};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, side->socket, &event);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "relay PORT UPSTREAM-PORT\n");
        return 2;
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in upstream = address;
    upstream.sin_port = htons(atoi(argv[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) {
        perror("listen");
        return 1;
    }
    poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int at = 0; at < ready; at++) {
            struct side *side = events[at].data.ptr;
            if (side) {
                if (side->over)
                    continue;
                if (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                    side->readable = 1;
                pass_on(side);
                if (events[at].events & EPOLLOUT && !side->over && side->start < side->end)
                    pass_on(side->other);
                continue;
            }
            int client;
            while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                /* A pair is never given back: a run has a few of them. */
                struct side *pair = calloc(2, sizeof *pair);
                int server = socket(AF_INET, SOCK_STREAM, 0);
                if (connect(server, (void *)&upstream, sizeof upstream)) {
                    perror("connect");
                    return 1;
                }
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                pair[0] = (struct side){.socket = client, .other = &pair[1], .readable = 1};
                pair[1] = (struct side){.socket = server, .other = &pair[0], .readable = 1};
                fcntl(server, F_SETFL, O_NONBLOCK);
                add(&pair[0]);
                add(&pair[1]);
            }
        }
    }
}
