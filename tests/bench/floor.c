/* The floor under HTTP/1.1 on one thread: an epoll loop that reads what comes and writes a constant answer of
 * 1 KB for each request, without looking at it. Edge-triggered, one read and one write for a request, as calmd.
 *
 *   floor PORT
 *
 * A request is told by the empty line at its end, which must come with it in one read, as from h2load. */
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

enum { CONTENT = 1024, EVENTS = 256 };

static char answer[2048];
static size_t answer_len;

/* Answers what has come. Returns 0 once the connection is over. */
static int serve(int socket)
{
    static char buffer[16384];
    for (;;) {
        ssize_t len = recv(socket, buffer, sizeof buffer, 0);
        if (len <= 0)
            return len < 0 && errno == EAGAIN;
        for (char *end = buffer; (end = memmem(end, buffer + len - end, "\r\n\r\n", 4)); end += 4)
            if (send(socket, answer, answer_len, MSG_NOSIGNAL) != (ssize_t)answer_len)
                return 0;
        /* The next request comes after the answer, and epoll tells of it. */
        if (len < (ssize_t)sizeof buffer)
            return 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "floor PORT\n");
        return 2;
    }
    int head = snprintf(answer, sizeof answer,
                        "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/octet-stream\r\n"
                        "ETag: \"0123456789abcdef0123456789abcdef\"\r\n"
                        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
                        CONTENT);
    memset(answer + head, 'x', CONTENT);
    answer_len = head + CONTENT;

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) {
        perror("listen");
        return 1;
    }
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int at = 0; at < ready; at++) {
            int socket = events[at].data.fd;
            if (socket != listener) {
                if (!serve(socket))
                    close(socket);
                continue;
            }
            while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = socket};
                epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
            }
        }
    }
}
