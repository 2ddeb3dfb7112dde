#!/bin/sh
# Makes the passwords that are missing in .secrets/ and gives each service a copy of its own, so that
# it cannot read the others'. Runs as root, in a container that ends.
set -eu

# Directories that Docker has made for the mount belong to root; this script, to whoever made the checkout.
give() { chown --reference="$0" "$1"; }

give /secrets
for name in mysql_root_password orders_password payments_password; do
  file=/secrets/$name
  if [ ! -s "$file" ]; then
    # Letters and digits only: they go into SQL and DSNs unquoted. Renamed when whole, so that a
    # start that is cut off leaves no half password.
    head -c 20 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file.new"
    chmod 0644 "$file.new" # for the database's user in its container
    give "$file.new"
    mv "$file.new" "$file"
    echo "made .secrets/$name"
  fi
done

# hand FILE DIRECTORY gives a service its copy. The copy is as old as the database, which was made
# with it: without this check a lost .secrets/ would show only as a database that refuses everybody.
hand() {
  if [ -e "$2/db_password" ] && [ "$(cat "$1")" != "$(cat "$2/db_password")" ]; then
    echo ".${1#/} is not the password that the database was made with: put the old .secrets/ back, or delete the data with 'docker compose down -v'" >&2
    exit 1
  fi
  install -m 0444 "$1" "$2/db_password"
}
hand /secrets/orders_password /order
hand /secrets/payments_password /payment
