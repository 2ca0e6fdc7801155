/* Prints what connect(2) does in many cases: HOST PORT, where a server answers what it gets, and
   CLOSED, where none listens. The lines must not depend on whether connections are caught. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in address(const char *host, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &a.sin_addr);
    return a;
}

static struct sockaddr_in6 mapped(const char *host, int port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    char text[64];
    snprintf(text, sizeof text, "::ffff:%s", host);
    inet_pton(AF_INET6, text, &a.sin6_addr);
    return a;
}

static void show(const char *what, int result)
{
    printf("%s: %s\n", what, result == 0 ? "ok" : strerrorname_np(errno));
    fflush(stdout);
}

static void echo(const char *what, int fd)
{
    char answer[16] = "";
    if (send(fd, "ping", 4, MSG_NOSIGNAL) != 4 || recv(fd, answer, sizeof answer, 0) != 4)
        snprintf(answer, sizeof answer, "%s", strerrorname_np(errno));
    printf("%s: %s\n", what, answer);
    fflush(stdout);
}

/* Waits until a socket whose connect(2) is in progress is connected, or has failed. */
static void finish(const char *what, int fd)
{
    struct pollfd each = {.fd = fd, .events = POLLOUT};
    int error = -1;
    socklen_t size = sizeof error;
    poll(&each, 1, 10000);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    show(what, error == 0 ? 0 : -1);
}

static void on_alarm(int number) { (void)number; }

#ifdef __x86_64__
/* System calls of 32-bit programs; their pointers have 32 bits. */
static long call32(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory",
                     "r8", "r9", "r10", "r11");
    return result;
}

static void as_32_bit(struct sockaddr_in to)
{
    static struct sockaddr_in low;
    static unsigned arguments[3];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    low = to;
    long result = call32(362, fd, (long)&low, sizeof low);
    errno = -result;
    show("i386 connect", result < 0 ? -1 : 0);
    echo("i386 connect", fd);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    arguments[0] = fd, arguments[1] = (unsigned)(long)&low, arguments[2] = sizeof low;
    result = call32(102, 3, (long)arguments, 0);
    errno = -result;
    show("i386 socketcall", result < 0 ? -1 : 0);
    echo("i386 socketcall", fd);
    close(fd);
}
#else
static void as_32_bit(struct sockaddr_in to) { (void)to; }
#endif

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct sockaddr_in open_ = address(argv[1], atoi(argv[2]));
    struct sockaddr_in closed = address(argv[1], atoi(argv[3]));
    struct sockaddr_in local = address("127.0.0.1", atoi(argv[3]));
    struct sockaddr_in6 six = mapped(argv[1], atoi(argv[2]));
    struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    struct sockaddr_un unix_ = {.sun_family = AF_UNIX, .sun_path = "/nonexistent"};

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    show("blocking", connect(fd, (void *)&open_, sizeof open_));
    echo("blocking", fd);
    show("again", connect(fd, (void *)&open_, sizeof open_));
    show("disconnect", connect(fd, &unspecified, sizeof unspecified));
    show("once more", connect(fd, (void *)&open_, sizeof open_));
    echo("once more", fd);
    close(fd);

    fd = socket(AF_INET, SOCK_STREAM, 0);
    show("refused", connect(fd, (void *)&closed, sizeof closed));
    show("after refused", connect(fd, (void *)&open_, sizeof open_));
    echo("after refused", fd);
    close(fd);

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int flags = fcntl(fd, F_GETFL);
    show("non-blocking", connect(fd, (void *)&open_, sizeof open_));
    printf("flags kept: %d\n", fcntl(fd, F_GETFL) == flags);
    finish("non-blocking", fd);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    echo("non-blocking", fd);
    close(fd);

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    show("non-blocking refused", connect(fd, (void *)&closed, sizeof closed));
    finish("non-blocking refused", fd);
    close(fd);

    for (int i = 0; i < 20; i++) { /* at once: whoever answers has to know that it is connected */
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (void *)&open_, sizeof open_);
        finish("in progress", fd);
        show("writable", connect(fd, (void *)&open_, sizeof open_));
        show("writable again", connect(fd, (void *)&open_, sizeof open_));
        close(fd);
    }

    fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd >= 0) {
        show("mapped", connect(fd, (void *)&six, sizeof six));
        echo("mapped", fd);
        close(fd);
    }

    fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in own = address(argv[1], 0);
    bind(fd, (void *)&own, sizeof own);
    show("bound", connect(fd, (void *)&open_, sizeof open_));
    echo("bound", fd);
    close(fd);

    fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval second = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    show("with a time limit", connect(fd, (void *)&open_, sizeof open_));
    close(fd);

    struct sigaction alarms = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}};
    sigaction(SIGALRM, &alarms, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int good = 0;
    for (int n = 0; n < 50; n++) {
        fd = socket(AF_INET, SOCK_STREAM, 0);
        good += connect(fd, (void *)&open_, sizeof open_) == 0;
        close(fd);
    }
    often = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    printf("under signals: %d\n", good);

    fd = socket(AF_INET, SOCK_DGRAM, 0);
    show("datagrams", connect(fd, (void *)&open_, sizeof open_));
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    show("loopback", connect(fd, (void *)&local, sizeof local));
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    show("unix", connect(fd, (void *)&unix_, sizeof unix_));
    close(fd);
    show("no descriptor", connect(999, (void *)&open_, sizeof open_));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    show("bad address", connect(fd, (void *)16, sizeof open_));
    show("short address", connect(fd, (void *)&open_, 4));
    close(fd);
    show("no socket", connect(0, (void *)&open_, sizeof open_));
    as_32_bit(open_);
    return 0;
}
