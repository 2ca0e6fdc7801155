# A WebSocket client of Perl: one session with an echo server, and what it saw.
#
# websocket_client.pl URL
use strict;
use warnings;
use Mojo::IOLoop;
use Mojo::JSON qw(encode_json);
use Mojo::UserAgent;

my ($url) = @ARGV;
my %seen = (client => 'perl', received => []);
my $agent = Mojo::UserAgent->new;
$agent->websocket("${url}perl" => sub {
    my (undef, $session) = @_;
    unless ($session->is_websocket) {
        $seen{error} = $session->error->{message};
        return Mojo::IOLoop->stop;
    }
    $session->on(message => sub {
        my (undef, $message) = @_;
        push @{$seen{received}}, $message;
        $session->send('bye') if @{$seen{received}} == 1;
    });
    $session->on(finish => sub {
        $seen{code} = $_[1];
        Mojo::IOLoop->stop;
    });
    $session->send('hello');
});
Mojo::IOLoop->start;
print encode_json(\%seen), "\n";
