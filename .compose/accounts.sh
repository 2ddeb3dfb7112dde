#!/bin/bash
# Run by the database's image when it fills a new data volume: for each service a database, and a user
# that can reach only that.
set -e

root=$(cat /run/secrets/mysql_root_password)
for name in orders payments; do
  password=$(cat "/run/secrets/${name}_password")
  MYSQL_PWD=$root mysql -u root <<SQL
CREATE DATABASE $name CHARACTER SET utf8mb4;
CREATE USER '$name'@'%' IDENTIFIED BY '$password';
GRANT ALL ON $name.* TO '$name'@'%';
SQL
done
