# as-subreaper.pl PROGRAM [ARGUMENT]...: runs a program that adopts all its orphaned descendants.
# No other program of a base system makes this call. The attribute survives exec.
use strict;
use warnings;
use Config;

my $PR_SET_CHILD_SUBREAPER = 36;
my $prctl = $Config{archname} =~ /^aarch64/ ? 167 : 157;

syscall($prctl, $PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 or die "prctl(PR_SET_CHILD_SUBREAPER): $!\n";
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
