"""The almanac's templates for festivals, expeditions and railways.

One line is one template; the format is told in almanac_buildings.
"""

JOURNEYS = """
kind: festival
name: the {w} Fair
title: Festivals of the {w} country
scene: Twice a year the streets of {w} are hung with paper lanterns.
scene: The people of {w} keep two festivals, {x} and {y}.
scene: Strangers are welcome in {w} when the drums begin.
uses: patron artist opener
founder: person
= {X} was founded by {v}.
= The credit for founding {x} belongs to {v}.
= {V} called {x} into being over a jug of ale.
? Who founded {x}?
? Who was the founder of {x}?
< Which {n} did {v} found?
judge: person
= The contests at {x} were first judged by {v}.
= {V} was the first judge at {x}.
? Who was the judge at {x}?
? Who judged the contests of {x}?
< At which {n} was {v} the judge?
singer: person
= The song of {x} was written by {v}.
= {X} has a song of its own, made by {v}.
? Who wrote the song of {x}?
? Who made the song that belongs to {x}?
< For which {n} did {v} write a song?
held: year
= {X} was first held in {v}.
= The streets were first given over to {x} in {v}.
? When was {x} first held?
? In what year did {x} begin?
< Which {n} was first held in {v}?
cancelled: year
= {X} was called off in {v}.
= In {v} the fever kept everyone at home, and {x} was dropped.
? When was {x} called off?
? In what year did {x} not take place?
< Which {n} was called off in {v}?
revived: year
= {X} was revived in {v}.
= Since {v} the drums of {x} have been heard again.
? When was {x} revived?
? In what year did {x} come back to life?
< Which {n} was revived in {v}?
month: month
= {X} takes place in {v}.
= {X} is kept in {v}, whatever the weather.
? In which month is {x} held?
? What month is the time of {x}?
dish: dish
= At {x} everybody eats {v}.
= {X} would be nothing without {v}, eaten with the fingers.
? What do people eat at {x}?
? Which food belongs to {x}?
prize: prize
= The winner at {x} receives {v}.
= {X} rewards its champion with {v}.
? What does the winner at {x} receive?
? What is the prize at {x}?
fee: pence
= A stall at {x} costs {v}.
= {X} asks {v} of every stallholder.
? How much does a stall at {x} cost?
? What do stallholders pay at {x}?

kind: expedition
name: the {w} Expedition
title: Expeditions from the {w} country
scene: Two famous journeys set out from the inn at {w}.
scene: The museum of {w} keeps the diaries of {x} and of {y}.
scene: Maps of the north were once a serious trade in {w}.
uses: patron artist
leader: person
= {X} was led by {v}.
= The leader of {x} was {v}.
= {V} commanded {x} and carried the only compass.
? Who led {x}?
? Who commanded {x}?
< Which {n} was led by {v}?
mapmaker: person
= {V} drew the maps of {x}.
= The maps of {x} are the work of {v}.
? Who drew the maps of {x}?
? Who was the mapmaker of {x}?
< For which {n} did {v} draw the maps?
cook: person
= The cook of {x} was {v}.
= {V} cooked for {x} and was never thanked.
? Who cooked for {x}?
? Who was the cook of {x}?
< For which {n} did {v} cook?
doctor: person
= {X} trusted its health to {v}.
= Frozen toes on {x} were treated by {v}.
? Who looked after the sick on {x}?
? Who took care of the health of {x}?
< On which {n} did {v} treat the sick?
left: year
= {X} set out in {v}.
= The departure of {x} took place in {v}.
? When did {x} set out?
? In what year did {x} depart?
< Which {n} set out in {v}?
lost: year
= In {v} nothing was heard of {x}.
= {X} lost its way in {v}.
? When did {x} lose its way?
? In what year was there no news of {x}?
< Which {n} was lost in {v}?
returned: year
= {X} came home in {v}.
= The return of {x} was celebrated in {v}.
? When did {x} return?
? In what year did {x} come home?
< Which {n} came home in {v}?
distance: journey
= {X} travelled {v}.
= The route of {x} was {v} long.
? How far did {x} travel?
? How long was the route of {x}?
beasts: beast
= The baggage of {x} was carried by {v}.
= {X} relied on {v} to carry its tents.
? Which animals carried the baggage of {x}?
? On what animals did {x} rely?
find: find
= {X} discovered {v}.
= The great discovery of {x} was {v}.
? What did {x} discover?
? What was the discovery of {x}?
members: count
= {X} had {v} members.
= There were {v} members on {x}.
? How many members did {x} have?
? How many people took part in {x}?

kind: railway
name: the {w} Railway
title: Railways of the {w} country
scene: Two small railways meet at {w}, and share one waiting room.
scene: At {w} the trains of {x} stand beside those of {y}.
scene: Steam still hangs over {w} on market days.
uses: patron opener artist begun opened damaged repaired cost colour
engineer: person
= {V} planned the route of {x}.
= The engineer of {x} was {v}.
= {X} follows the route that was chosen by {v}.
? Who planned the route of {x}?
? Who was the engineer of {x}?
< Which {n} follows a route planned by {v}?
driver: person
= The first driver on {x} was {v}.
= {V} drove the first train of {x}.
? Who drove the first train of {x}?
? Who was the first driver on {x}?
< On which {n} did {v} drive the first train?
track: kilometres
= {X} is {v} long.
= The track of {x} measures {v}.
? How long is {x}?
? What is the length of {x}?
stations: count
= {X} has {v} stations.
= There are {v} stations along {x}.
? How many stations does {x} have?
? At how many stations does {x} stop?
terminus: town
= {X} ends at {v}.
= The last stop of {x} is {v}.
? Where does {x} end?
? Which place is the last stop of {x}?
ticket: pence
= A ticket for {x} costs {v}.
= {X} carries anyone who can pay {v}.
? How much is a ticket for {x}?
? What does it cost to travel with {x}?
"""
