<?php
require __DIR__ . '/../src/Shop.php';
require __DIR__ . '/support/Database.php';
require __DIR__ . '/support/ShopTestCase.php';
