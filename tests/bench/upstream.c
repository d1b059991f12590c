/* The upstream of proxies of HTTP/1.1: an epoll loop that answers each request with constant bytes, 10 MB where the
 * path begins with "/10m", and 1 KB elsewhere. It costs as little as an upstream can, so that it is not what a proxy
 * waits for.
 *
 *   upstream PORT
 *
 * Requests have no content and at most 16 KiB, may come in pieces or several at a time, and are answered in turn.
 * Edge-triggered, one read and one write for a request. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHORT = 1024, LONG = 10000000, HEAD = 512, READ = 16384, EVENTS = 256 };

/* A head and the first content behind it. More content is sent from the same bytes, which stay in the cache. */
enum { PIECE = 256 << 10 };
struct answer {
    char bytes[HEAD + PIECE];
    size_t head, len;
};
static struct answer answers[2];

struct client {
    int socket;
    /* What came and was not answered, and how much of it was looked at in vain. */
    char requests[READ];
    size_t have, looked;
    /* The answer on its way, if any, and how much of it the socket has taken. */
    const struct answer *answer;
    size_t sent;
};

static void make(struct answer *answer, size_t content)
{
    answer->head = snprintf(answer->bytes, HEAD,
                            "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nContent-Type: application/octet-stream\r\n"
                            "ETag: \"0123456789abcdef0123456789abcdef\"\r\n"
                            "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
                            content);
    memset(answer->bytes + answer->head, 'x', PIECE);
    answer->len = answer->head + content;
}

/* Sends the rest of the answer. Returns 1 once all is sent, 0 if the socket is full, -1 if the connection is over. */
static int answer(struct client *client)
{
    const struct answer *answer = client->answer;
    while (client->sent < answer->len) {
        size_t left = answer->len - client->sent;
        size_t from = client->sent < answer->head ? client->sent : answer->head;
        size_t most = answer->head + PIECE - from;
        ssize_t len = send(client->socket, answer->bytes + from, left < most ? left : most, MSG_NOSIGNAL);
        if (len < 0)
            return errno == EAGAIN ? 0 : -1;
        client->sent += len;
    }
    client->answer = NULL;
    return 1;
}

/* Answers what has come, as far as the socket takes it. Returns 0 once the connection is over. */
static int serve(struct client *client)
{
    for (;;) {
        if (client->answer) {
            int done = answer(client);
            if (done <= 0)
                return done == 0;
        }
        char *end = memmem(client->requests + client->looked, client->have - client->looked, "\r\n\r\n", 4);
        if (end) {
            client->answer = &answers[!strncmp(client->requests, "GET /10m", 8)];
            client->sent = 0;
            client->have -= end + 4 - client->requests;
            client->looked = 0;
            memmove(client->requests, end + 4, client->have);
            continue;
        }
        client->looked = client->have < 3 ? 0 : client->have - 3;
        size_t room = READ - client->have;
        ssize_t len = recv(client->socket, client->requests + client->have, room, 0);
        if (len <= 0)
            return len < 0 && errno == EAGAIN;
        client->have += len;
        /* Where the end is not here, or nothing is left unread, epoll tells of the rest. */
        if ((size_t)len < room && !memmem(client->requests + client->looked, client->have - client->looked, "\r\n\r\n", 4))
            return 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "upstream PORT\n");
        return 2;
    }
    make(&answers[0], SHORT);
    make(&answers[1], LONG);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) {
        perror("listen");
        return 1;
    }
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int at = 0; at < ready; at++) {
            struct client *client = events[at].data.ptr;
            if (client) {
                if (!serve(client)) {
                    close(client->socket);
                    free(client);
                }
                continue;
            }
            int socket;
            while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                client = calloc(1, sizeof *client);
                client->socket = socket;
                event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client};
                epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
            }
        }
    }
}
